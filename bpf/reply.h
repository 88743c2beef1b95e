/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replies that the classifier sends itself: a TCP header without payload, written over the
 * packet that it answers. The reply is never longer than that packet, so the frame shrinks or keeps
 * its length: IP options and extension headers go, VLAN tags stay as they came.
 */
#ifndef NARTHEX_BPF_REPLY_H
#define NARTHEX_BPF_REPLY_H

#include "parse.h"

#define REPLY_TTL 64
#define IPV4_DF 0x4000

struct reply {
	__be32 seq;
	__be32 ack;
	__u16 window;	 /* bytes */
	__u16 mss;	 /* bytes; 0: no option */
	__u8 flags;
};

/* Without an option. */
static __always_inline void make_syn_ack(struct reply *reply, __u32 seq, __u32 ack)
{
	reply->seq = bpf_htonl(seq);
	reply->ack = bpf_htonl(ack);
	reply->window = NX_WINDOW_BYTES;
	reply->mss = 0;
	reply->flags = TCP_SYN | TCP_ACK;
}

struct mss_option {
	__u8 kind;
	__u8 length;
	__be16 mss;
};

/* The TCP header of the reply; returns its one's complement sum. */
static __always_inline __u64 write_tcp(struct tcphdr *tcp, const struct nx_flow *flow,
				       const struct reply *reply)
{
	__u32 *words = (__u32 *)tcp;
	__u32 doff = reply->mss ? 6 : 5;

	/* Whole words, summed from registers: the header's own bytes are not read again. */
	__be32 ports = flow->server_port | (__u32)flow->client_port << 16;
	__be32 rest = bpf_htonl(doff << 28 | (__u32)reply->flags << 16 | reply->window);

	words[0] = ports;
	words[1] = reply->seq;
	words[2] = reply->ack;
	words[3] = rest;
	words[4] = 0;
	return (__u64)ports + reply->seq + reply->ack + rest;
}

static __always_inline void write_ipv4(struct iphdr *ip, const struct nx_flow *flow,
				       __u8 protocol, __u32 l4_bytes)
{
	__u32 *words = (__u32 *)ip;
	__be32 length = bpf_htonl(0x45000000 | (sizeof(*ip) + l4_bytes));
	__be32 life = bpf_htonl(REPLY_TTL << 24 | protocol << 16);
	__be32 client, server;
	__u64 sum = (__u64)length + bpf_htonl(IPV4_DF) + life;

	__builtin_memcpy(&client, flow->client + 12, 4);
	__builtin_memcpy(&server, flow->server + 12, 4);
	words[0] = length;
	words[1] = bpf_htonl(IPV4_DF);
	/* The checksum goes in with its word: two stores to one word would stall who reads it. */
	words[2] = life | (__u32)checksum_of(sum + client + server) << 16;
	words[3] = server;
	words[4] = client;
}

static __always_inline void write_ipv6(struct ipv6hdr *ip, const struct nx_flow *flow,
				       __u8 protocol, __u32 l4_bytes)
{
	__u32 *words = (__u32 *)ip;

	words[0] = bpf_htonl(0x60000000);
	words[1] = bpf_htonl(l4_bytes << 16 | protocol << 8 | REPLY_TTL);
	__builtin_memcpy(&ip->saddr, flow->server, 16);
	__builtin_memcpy(&ip->daddr, flow->client, 16);
}

/* In words, which overlap: clang would copy the bytes of a packed header one by one. */
static __always_inline void swap_macs(void *frame)
{
	__u64 to = *(__u64 *)frame;
	__u64 from = *(__u64 *)(frame + ETH_ALEN);

	*(__u64 *)frame = from;
	*(__u32 *)(frame + ETH_ALEN) = to;
	*(__u16 *)(frame + ETH_ALEN + 4) = to >> 32;
}

#define MAX_PADDING_BYTES 40

/*
 * Makes the frame end behind a reply of `bytes` bytes, or nearly so: what a SYN with options is
 * longer than its answer stays, as Ethernet padding of zeros, because to shorten the frame takes
 * longer than all that is written into it. Before the reply is written; 0: it cannot be.
 */
static __always_inline int end_frame(struct xdp_md *ctx, const struct packet *p, __u64 bytes)
{
	__u64 rest = p->bytes - bytes;
	void *end;

	if (bytes > p->bytes)
		return 0;
	if (rest > MAX_PADDING_BYTES)
		return !bpf_xdp_adjust_tail(ctx, -(int)rest);
	asm volatile("%0 &= 63" : "+r"(rest)); /* for the verifier */
	end = p->data + bytes + rest;
	if (end > p->data_end)
		return 0;
#pragma unroll
	for (__u32 i = 1; i <= MAX_PADDING_BYTES / 8; i++) {
		if (rest + 7 < 8 * i)
			break;
		*(__u64 *)(end - 8 * i) = 0; /* the last one reaches into the reply's place */
	}
	return 1;
}

/* Turns the frame into the reply; XDP_TX, or XDP_DROP if it would not fit. */
static __always_inline int write_reply(struct xdp_md *ctx, const struct packet *p,
				       const struct reply *reply)
{
	const struct nx_flow *flow = &p->flow;
	__u32 ip_bytes = flow->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 tcp_bytes = sizeof(struct tcphdr) + (reply->mss ? sizeof(struct mss_option) : 0);
	__u64 l3 = p->l3;
	__u64 bytes = l3 + ip_bytes + tcp_bytes;
	struct tcphdr *tcp;
	void *data, *data_end, *ip;
	__u64 sum;

	if (!end_frame(ctx, p, bytes))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (!__builtin_constant_p(l3))
		asm volatile("%0 &= 0x1f" : "+r"(l3)); /* 14, 18 or 22 */
	ip = data + l3;
	tcp = ip + ip_bytes;
	if (data + sizeof(struct ethhdr) > data_end || (void *)(tcp + 1) > data_end)
		return XDP_DROP;
	swap_macs(data);
	if (flow->ipv6) {
		if (ip + sizeof(struct ipv6hdr) > data_end)
			return XDP_DROP;
		write_ipv6(ip, flow, IPPROTO_TCP, tcp_bytes);
	} else {
		write_ipv4(ip, flow, IPPROTO_TCP, tcp_bytes);
	}
	sum = sum_addresses(flow) + bpf_htons(IPPROTO_TCP) + (__u64)bpf_htons(tcp_bytes) +
	      write_tcp(tcp, flow, reply);
	if (reply->mss) {
		struct mss_option *option = (void *)(tcp + 1);

		if ((void *)(option + 1) > data_end)
			return XDP_DROP;
		*(__u32 *)option = bpf_htonl(2 << 24 | 4 << 16 | reply->mss);
		sum += *(__u32 *)option;
	}
	tcp->check = checksum_of(sum);
	return XDP_TX;
}

#endif /* NARTHEX_BPF_REPLY_H */
