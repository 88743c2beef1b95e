/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packet parsing for the classifier: check, advance, return. Each step leaves its findings in
 * struct packet as offsets, because packet pointers do not survive a change of the frame.
 * What a step cannot understand it names by a reason; NX_REASON_COUNT means "go on".
 */
#ifndef NARTHEX_BPF_PARSE_H
#define NARTHEX_BPF_PARSE_H

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "checksum.h"
#include "cookie.h"

#define PARSED NX_REASON_COUNT
#define UNDECIDED NX_REASON_COUNT

#define MAX_VLAN_TAGS 2
#define MAX_EXTENSION_HEADERS 8
#define MAX_EXTENSION_BYTES 1024
#define MAX_TCP_OPTION_BYTES 40
#define IPV4_FRAGMENT_BITS 0x3fff /* MF and the offset */

struct vlan_tag {
	__be16 tci;
	__be16 ethertype;
};

struct packet {
	void *data;
	void *data_end;
	struct nx_flow flow; /* addresses from layer 3, ports from layer 4 */
	__u32 index;	     /* in `sessions`, of an IPv4 client in the zone's pools */
	__u8 in_pools;	     /* it is one */
	__u64 bytes;	     /* of the frame */
	__u64 l3;	     /* offset of the IP header: 14, 18 or 22 */
	__u64 l4;	     /* offset of the transport header */
	__u64 end;	     /* offset behind the IP packet; Ethernet padding lies beyond */
	__be16 ethertype;
	__u16 vlan[MAX_VLAN_TAGS]; /* outer, inner identifier; 0: no tag */
	__u8 protocol;
	__u8 hop_limit;
	__u8 options; /* IPv4 options or IPv6 extension headers are there */
};

/* Where an offset lies in the frame; the mask, which no parsed offset reaches, is the bound that
 * the verifier needs. The caller still checks against data_end. */
static __always_inline void *at(const struct packet *p, __u64 offset)
{
	if (__builtin_constant_p(offset))
		return p->data + offset;
	asm volatile("%0 &= 0xfff" : "+r"(offset));
	return p->data + offset;
}

static __always_inline void map_ipv4(__u8 *to, __be32 addr)
{
	/* In two words: a later load of a word finds it whole in the store buffer. */
	((__u64 *)to)[0] = 0;
	((__u64 *)to)[1] = bpf_cpu_to_be64(0xffff00000000) | (__u64)addr << 32;
}

static __always_inline enum nx_reason parse_ethernet(struct packet *p)
{
	struct ethhdr *eth = p->data;
	__u32 offset = sizeof(*eth);

	if ((void *)(eth + 1) > p->data_end)
		return NX_REASON_TRUNCATED;
	p->ethertype = *(const __be16 *)(p->data + 2 * ETH_ALEN); /* of a packed struct clang reads bytes */
#pragma unroll
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		struct vlan_tag *tag = p->data + offset;

		if (p->ethertype != bpf_htons(ETH_P_8021Q) &&
		    p->ethertype != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > p->data_end)
			return NX_REASON_TRUNCATED;
		p->ethertype = tag->ethertype;
		p->vlan[i] = bpf_ntohs(tag->tci) & 0xfff;
		offset += sizeof(*tag);
	}
	p->l3 = offset;
	return PARSED;
}

/* The addresses only: all that an authorised packet needs. */
static __always_inline enum nx_reason parse_addresses(struct packet *p)
{
	if (p->ethertype == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at(p, p->l3);

		if ((void *)(ip + 1) > p->data_end || ip->version != 4)
			return NX_REASON_TRUNCATED;
		map_ipv4(p->flow.client, ip->saddr);
		map_ipv4(p->flow.server, ip->daddr);
		p->flow.ipv6 = 0;
		return PARSED;
	}
	if (p->ethertype == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = at(p, p->l3);

		if ((void *)(ip + 1) > p->data_end || ip->version != 6)
			return NX_REASON_TRUNCATED;
		__builtin_memcpy(p->flow.client, &ip->saddr, 16);
		__builtin_memcpy(p->flow.server, &ip->daddr, 16);
		p->flow.ipv6 = 1;
		return PARSED;
	}
	return NX_REASON_ETHERTYPE;
}

static __always_inline enum nx_reason parse_ipv4(struct xdp_md *ctx, struct packet *p)
{
	struct iphdr *ip = at(p, p->l3);
	__u32 header, total;
	__u64 sum;

	if ((void *)(ip + 1) > p->data_end)
		return NX_REASON_TRUNCATED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || total < header || p->l3 + total > p->bytes)
		return NX_REASON_TRUNCATED;
	sum = header == sizeof(*ip) ? sum_plain_header(ip) : sum_bytes(ctx, p->l3, header);
	if (sum == CUT_SHORT && header != sizeof(*ip))
		return NX_REASON_TRUNCATED;
	if (!sums_to_zero(sum))
		return NX_REASON_CHECKSUM;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS))
		return NX_REASON_FRAGMENT;
	p->l4 = p->l3 + header;
	p->end = p->l3 + total;
	p->protocol = ip->protocol;
	p->hop_limit = ip->ttl;
	p->options = header > sizeof(*ip);
	return PARSED;
}

/*
 * Hop-by-hop options, destination options and AH are stepped over, so that the transport
 * behind them is judged. A routing header could carry a packet beyond the destination that
 * was judged, so it is refused; so is whatever has no known length.
 * Returns reason << 32 | offset of the transport << 8 | its protocol; verified on its own.
 */
__noinline __u64 walk_extension_headers(struct xdp_md *ctx, __u32 offset, __u32 next)
{
	for (int i = 0; i <= MAX_EXTENSION_HEADERS; i++) {
		__u8 header[2];

		if (next == IPPROTO_FRAGMENT)
			return (__u64)NX_REASON_FRAGMENT << 32;
		if (next == IPPROTO_ROUTING)
			return (__u64)NX_REASON_EXTENSION_HEADERS << 32;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_AH)
			return (__u64)PARSED << 32 | (__u64)(offset & 0xffff) << 8 | (next & 0xff);
		if (offset > MAX_EXTENSION_BYTES)
			break;
		if (bpf_xdp_load_bytes(ctx, offset, header, 2))
			return (__u64)NX_REASON_TRUNCATED << 32;
		offset += next == IPPROTO_AH ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
		next = header[0];
	}
	return (__u64)NX_REASON_EXTENSION_HEADERS << 32;
}

static __always_inline int is_extension_header(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_AH ||
	       next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT;
}

static __always_inline enum nx_reason parse_ipv6(struct xdp_md *ctx, struct packet *p)
{
	struct ipv6hdr *ip = at(p, p->l3);
	__u64 walked;

	if ((void *)(ip + 1) > p->data_end)
		return NX_REASON_TRUNCATED;
	p->end = p->l3 + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (p->end > p->bytes)
		return NX_REASON_TRUNCATED;
	p->hop_limit = ip->hop_limit;
	p->protocol = ip->nexthdr;
	p->l4 = p->l3 + sizeof(*ip);
	p->options = is_extension_header(ip->nexthdr);
	if (!p->options)
		return PARSED;
	walked = walk_extension_headers(ctx, p->l4, ip->nexthdr);
	p->protocol = walked;
	p->l4 = (walked >> 8) & 0xffff;
	if (walked >> 32 != PARSED)
		return walked >> 32;
	return p->l4 <= p->end ? PARSED : NX_REASON_TRUNCATED;
}

static __always_inline enum nx_reason parse_network(struct xdp_md *ctx, struct packet *p)
{
	return p->flow.ipv6 ? parse_ipv6(ctx, p) : parse_ipv4(ctx, p);
}

/*
 * TCP over IPv4 as nearly all of it comes, without tags, options or fragments, in a frame that is known
 * to be IPv4: all that the functions above would find, at offsets that the compiler knows. 0: it is not
 * that, or not in order.
 */
static __always_inline int parse_plain_tcp(struct packet *p)
{
	const struct iphdr *ip = p->data + sizeof(struct ethhdr);
	const __u32 *words = (const __u32 *)ip;
	__u32 total;

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > p->data_end)
		return 0;
	total = (bpf_ntohl(words[0]) - 0x45000000) & 0xff00ffff; /* without the type of service */
	if (total < sizeof(*ip) + sizeof(struct tcphdr) ||
	    sizeof(struct ethhdr) + total > p->bytes ||
	    words[1] & bpf_htonl(IPV4_FRAGMENT_BITS) || ip->protocol != IPPROTO_TCP ||
	    !sums_to_zero(sum_plain_header(ip)))
		return 0;
	p->ethertype = bpf_htons(ETH_P_IP);
	p->l3 = sizeof(struct ethhdr);
	p->l4 = sizeof(struct ethhdr) + sizeof(*ip);
	p->end = sizeof(struct ethhdr) + total;
	p->protocol = IPPROTO_TCP;
	p->hop_limit = ip->ttl;
	p->flow.client_port = words[5];
	p->flow.server_port = words[5] >> 16;
	map_ipv4(p->flow.client, ip->saddr);
	map_ipv4(p->flow.server, ip->daddr);
	return 1;
}

/* Both ports, which TCP and UDP keep in the same place. */
static __always_inline enum nx_reason parse_ports(struct packet *p)
{
	__u32 need = p->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	__be16 *ports = at(p, p->l4);

	if (p->l4 + need > p->end || (void *)(ports + 2) > p->data_end)
		return NX_REASON_TRUNCATED;
	p->flow.client_port = ports[0];
	p->flow.server_port = ports[1];
	return PARSED;
}

struct segment {
	__be32 seq;
	__be32 ack;
	__u32 payload; /* bytes */
	__u32 header;  /* bytes, options included */
	__u8 flags;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

static __always_inline enum nx_reason parse_tcp(struct packet *p, struct segment *s)
{
	const __u32 *words = at(p, p->l4);
	__u32 rest;

	if ((void *)words + sizeof(struct tcphdr) > p->data_end)
		return NX_REASON_TRUNCATED;
	rest = words[3]; /* length, flags, window */
	s->header = rest >> 2 & 60;
	if (s->header < sizeof(struct tcphdr) || p->l4 + s->header > p->end)
		return NX_REASON_TRUNCATED;
	s->payload = p->end - p->l4 - s->header;
	s->seq = words[1];
	s->ack = words[2];
	s->flags = rest >> 8;
	return PARSED;
}

/* Verifies the checksum of a segment that the classifier answers itself. */
static __always_inline int tcp_checksum_ok(struct xdp_md *ctx, const struct packet *p,
					   const struct segment *s)
{
	__u32 bytes = s->header + s->payload;
	__u64 sum;

	if (__builtin_constant_p(p->l4) && !s->payload) {
		const __u32 *words = p->data + p->l4;

		if ((void *)(words + 5) > p->data_end)
			return 0;
		sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
		if (!add_options(&sum, words, p->data_end, bytes))
			return 0;
	} else {
		sum = sum_bytes(ctx, p->l4, bytes);
		if (sum == CUT_SHORT)
			return 0;
	}
	return sums_to_zero(sum_addresses(&p->flow) + bpf_htons(IPPROTO_TCP) + bpf_htons(bytes) + sum);
}

struct mss_search {
	__u8 options[64];
	__u32 next; /* index of the option to look at */
	__u32 count;
	__u32 mss;
};

/* One option; 1 ends the search. A callback of bpf_loop: kernel 6.1 would walk a loop over bytes
 * of unknown value for more than a million instructions. */
static long next_option(__u32 step, struct mss_search *s)
{
	const __u8 *options = s->options;
	__u32 at = s->next & 63;

	if (s->next + 4 > s->count || options[at] == 0)
		return 1;
	if (options[at] == 1) {
		s->next++;
		return 0;
	}
	if (options[at] == 2 && options[(at + 1) & 63] == 4) {
		s->mss = options[(at + 2) & 63] << 8 | options[(at + 3) & 63];
		return 1;
	}
	if (options[(at + 1) & 63] < 2)
		return 1;
	s->next += options[(at + 1) & 63];
	return 0;
}

/* The MSS option among `count` bytes of TCP options at `offset`, or `absent`. */
__noinline __u32 find_mss(struct xdp_md *ctx, __u32 offset, __u32 count, __u32 absent)
{
	struct mss_search search = { .count = count, .mss = absent };

	if (count < 4 || count > MAX_TCP_OPTION_BYTES ||
	    bpf_xdp_load_bytes(ctx, offset, search.options, count))
		return absent;
	bpf_loop(MAX_TCP_OPTION_BYTES, next_option, &search, 0);
	return search.mss;
}

/* The MSS of a SYN; RFC 9293 §3.7.1 has the default. Nearly all stacks put the option first. */
static __always_inline __u32 parse_mss(struct xdp_md *ctx, struct packet *p, const struct segment *s)
{
	__be32 *option = at(p, p->l4 + sizeof(struct tcphdr));
	__u32 count = s->header - sizeof(struct tcphdr);

	if (count >= 4 && (void *)(option + 1) <= p->data_end) {
		__u32 word = bpf_ntohl(*option);

		if (word >> 16 == (2 << 8 | 4))
			return word & 0xffff;
	}
	return find_mss(ctx, p->l4 + sizeof(struct tcphdr), count,
			p->flow.ipv6 ? NX_DEFAULT_MSS_V6_BYTES : NX_DEFAULT_MSS_V4_BYTES);
}

#endif /* NARTHEX_BPF_PARSE_H */
