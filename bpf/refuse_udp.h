/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ICMP error that refuses a datagram: communication administratively prohibited (RFC 1812
 * §5.2.7.1; RFC 4443 §3.1). The gateway's headers go before the datagram, of which as much is
 * cut off at its end: the reply is never longer than what drew it.
 */
#ifndef NARTHEX_BPF_REFUSE_UDP_H
#define NARTHEX_BPF_REFUSE_UDP_H

#include "access_maps.h"
#include "reply.h"

#define ICMP4_UNREACHABLE 3
#define ICMP4_PROHIBITED 13
#define ICMP6_UNREACHABLE 1
#define ICMP6_PROHIBITED 1
#define ICMP_HEADER_BYTES 8
#define ICMP4_LONGEST 576  /* RFC 1812 §4.3.2.3 */
#define ICMP6_LONGEST 1280 /* RFC 4443 §2.4 (c) */

static __always_inline __u32 refusal_header_bytes(const struct nx_flow *flow)
{
	return (flow->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + ICMP_HEADER_BYTES;
}

/* The datagram's own headers and 8 bytes behind must find room in the reply (RFC 792). */
static __always_inline int udp_refusal_fits(const struct packet *p)
{
	return p->end - p->l3 >= 2 * refusal_header_bytes(&p->flow);
}

static __always_inline void copy_source(struct nx_flow *flow)
{
	const volatile __u64 *gateway = zone_config.gateway[flow->ipv6 ? 1 : 0];
	__u64 from[2] = { gateway[0], gateway[1] };

	if (from[0] | from[1])
		__builtin_memcpy(flow->server, from, 16);
}

/* Turns the frame into the error; XDP_TX, or XDP_DROP if it cannot be. */
static __always_inline int write_udp_refusal(struct xdp_md *ctx, const struct packet *p)
{
	struct nx_flow flow = p->flow;
	__u32 header_bytes = refusal_header_bytes(&flow);
	__u32 most = flow.ipv6 ? ICMP6_LONGEST : ICMP4_LONGEST;
	__u32 bytes = p->end - p->l3; /* of the error's IP packet */
	__u64 l3 = p->l3;
	__u8 link[22];
	void *data, *data_end, *ip;
	__be32 *icmp;
	__u64 sum;

	if (bytes > most)
		bytes = most;
	copy_source(&flow);
	asm volatile("%0 &= 0x1f" : "+r"(l3)); /* 14, 18 or 22 */
	if (l3 < 14 || l3 > sizeof(link) || bpf_xdp_load_bytes(ctx, 0, link, l3))
		return XDP_DROP;
	if (bpf_xdp_adjust_tail(ctx, (int)(l3 + bytes - header_bytes) - (int)p->bytes) ||
	    bpf_xdp_adjust_head(ctx, -(int)header_bytes) || bpf_xdp_store_bytes(ctx, 0, link, l3))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	ip = data + l3;
	if (data + sizeof(struct ethhdr) > data_end || ip + 48 > data_end)
		return XDP_DROP;
	swap_macs(data);
	icmp = ip + header_bytes - ICMP_HEADER_BYTES;
	if ((void *)(icmp + 2) > data_end)
		return XDP_DROP;
	icmp[1] = 0;
	if (flow.ipv6) {
		write_ipv6(ip, &flow, IPPROTO_ICMPV6, bytes - sizeof(struct ipv6hdr));
		icmp[0] = bpf_htonl(ICMP6_UNREACHABLE << 24 | ICMP6_PROHIBITED << 16);
	} else {
		write_ipv4(ip, &flow, IPPROTO_ICMP, bytes - sizeof(struct iphdr));
		icmp[0] = bpf_htonl(ICMP4_UNREACHABLE << 24 | ICMP4_PROHIBITED << 16);
	}
	bytes -= header_bytes - ICMP_HEADER_BYTES;
	sum = sum_bytes(ctx, l3 + header_bytes - ICMP_HEADER_BYTES, bytes);
	if (sum == CUT_SHORT)
		return XDP_DROP;
	if (flow.ipv6)
		sum += sum_addresses(&flow) + bpf_htons(IPPROTO_ICMPV6) + bpf_htons(bytes);
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	icmp = data + l3 + header_bytes - ICMP_HEADER_BYTES;
	if ((void *)(icmp + 2) > data_end)
		return XDP_DROP;
	((__u16 *)icmp)[1] = ~fold(sum);
	return XDP_TX;
}

#endif /* NARTHEX_BPF_REFUSE_UDP_H */
