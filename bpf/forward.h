/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way on of what passes, without the kernel's network stack (nx_zone_config.forwarding).
 *
 *   fib     a packet of an authorised client: the kernel's routes and neighbours are asked, the
 *           header is rewritten as a router does (RFC 1812 §5.2, RFC 8200 §3), the frame leaves.
 *   bridge  every frame that passes leaves by the other port of the pair, as it came.
 *
 * What must not or cannot leave so goes to the kernel as it came: nothing of a frame is changed
 * before the last question is answered. These functions return XDP_PASS for that.
 *
 * Both directions of a zone differ in their `struct way` alone (route.h). forward_up.h and forward_down.h
 * are what the programs call.
 */
#ifndef NARTHEX_BPF_FORWARD_H
#define NARTHEX_BPF_FORWARD_H

#include <linux/icmpv6.h>

#include "route.h"

static __always_inline enum nx_reason fallback_of(enum nx_reason reason)
{
	if (reason == NX_REASON_AUTHORISED)
		return NX_REASON_KERNEL_FALLBACK;
	return reason == NX_REASON_DOWNLINK_AUTHORISED ? NX_REASON_DOWNLINK_KERNEL_FALLBACK : reason;
}

static __always_inline int same_mac(const __u8 *frame, const volatile __u8 *port)
{
	const __u16 *a = (const __u16 *)frame;
	const volatile __u16 *b = (const volatile __u16 *)port;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

/* Where the Ethernet type stands that layer 3, at l3, follows. The caller checks against data_end. */
static __always_inline const __be16 *ethertype_at(void *data, __u64 l3)
{
	l3 -= sizeof(__be16);
	asm volatile("%0 &= 0x1f" : "+r"(l3)); /* 12, 16 or 20 */
	return data + l3;
}

/* ---- fib ---------------------------------------------------------------------------- */

/* RFC 1624 §3, eqn. 3: HC' = ~(~HC + ~m + m'); of a TTL, the upper half of its word, one less. */
static __always_inline void decrement_ttl(struct iphdr *ip)
{
	ip->ttl--;
	ip->check = ~fold((__u64)(__u16)~ip->check + bpf_htons(0xfeff));
}

static __always_inline int age(struct xdp_md *ctx, __u64 l3, int ipv4)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	asm volatile("%0 &= 0x1f" : "+r"(l3)); /* 14, 18 or 22 */
	ip = data + l3;
	ip6 = data + l3;
	if ((void *)(ip + 1) > data_end)
		return -1; /* cannot be: it was read there */
	if (ipv4)
		decrement_ttl(ip);
	else
		ip6->hop_limit--;
	return 0;
}

static __always_inline int send_by_route(struct xdp_md *ctx, __u64 l3, const struct way *way)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u64 bytes = data_end - data - l3; /* padding counts: an interface takes a frame, not a packet */
	const struct hop *hop;
	const __be16 *type;
	int ipv4;

	asm volatile("" : "+r"(bytes)); /* or clang subtracts the halves of pointers */
	type = ethertype_at(data, l3);
	if (data + MAX_HLEN > data_end || (void *)(type + 1) + sizeof(struct iphdr) > data_end)
		return XDP_PASS;
	if (!has_tags(data, data_end, l3, way->tags.from) || !same_mac(data, way->in->mac))
		return XDP_PASS;
	ipv4 = *type == bpf_htons(ETH_P_IP);
	if (ipv4)
		hop = find_hop_ipv4(ctx, (const void *)(type + 1), bytes, way);
	else
		hop = find_hop_ipv6(ctx, (const void *)(type + 1), bytes, way);
	if (!hop || write_layer2(ctx, &way->tags, hop->macs))
		return XDP_PASS;
	if (age(ctx, ETH_HLEN + count_tags(way->tags.to) * sizeof(struct vlan_tag), ipv4))
		return XDP_DROP;
	return bpf_redirect(hop->port, 0);
}

/* ---- bridge ------------------------------------------------------------------------- */

/* Frames for 01-80-C2-00-00-0X stay on their link (IEEE 802.1Q §8.6.3). */
static __always_inline int is_reserved_group(const __u8 *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && !mac[3] && !mac[4] &&
	       mac[5] <= 0x0f;
}

/*
 * The address that a frame is for: of a frame for one station its destination, of one for everybody
 * the address that it asks for (ARP, RFC 826; neighbour solicitation, RFC 4861 §4.3), v4-mapped.
 */
static __always_inline int wanted_address(const void *l3, const void *data_end, __be16 ethertype,
					  int to_group, __u8 *addr)
{
	const struct ipv6hdr *ip = l3;
	const struct icmp6hdr *icmp = (const void *)(ip + 1);
	const void *from = &ip->daddr;
	__be32 ipv4;

	if (ethertype == bpf_htons(ETH_P_IPV6) && (const void *)(ip + 1) <= data_end) {
		if (to_group) {
			if ((const void *)(icmp + 1) + 16 > data_end ||
			    ip->nexthdr != IPPROTO_ICMPV6 || icmp->icmp6_type != 135)
				return 0;
			from = icmp + 1;
		}
		__builtin_memcpy(addr, from, 16);
		return 1;
	}
	if (ethertype == bpf_htons(ETH_P_IP) && !to_group)
		__builtin_memcpy(&ipv4, l3 + 16, 4);
	else if (ethertype == bpf_htons(ETH_P_ARP) && l3 + 28 <= data_end &&
		 *(const __be16 *)(l3 + 2) == bpf_htons(ETH_P_IP))
		__builtin_memcpy(&ipv4, l3 + 24, 4);
	else
		return 0;
	map_ipv4(addr, ipv4);
	return 1;
}

/*
 * Is the frame for the gateway itself? XDP sends a frame one way: of those for everybody the
 * gateway gets what asks for its own addresses, the other side gets the others.
 */
static __always_inline int is_for_gateway(zone_constants zone, const struct way *way,
					  const void *mac, const __be16 *type, const void *data_end)
{
	__u64 addr[2];

	if (same_mac(mac, way->in->mac) || is_reserved_group(mac))
		return 1;
	return wanted_address(type + 1, data_end, *type, *(const __u8 *)mac & 1, (__u8 *)addr) &&
	       is_own(zone, (const __u8 *)addr);
}

static __always_inline int send_by_bridge(struct xdp_md *ctx, zone_constants zone, __u64 l3,
					  const struct way *way)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	int translates = way->tags.from[0] || way->tags.to[0];
	__u32 port = way->out->ifindex;
	__u32 macs[3];
	const __be16 *type;

	type = ethertype_at(data, l3);
	if (data + MAX_HLEN > data_end || (void *)(type + 1) + sizeof(struct iphdr) > data_end)
		return XDP_PASS;
	if (!port || is_for_gateway(zone, way, data, type, data_end))
		return XDP_PASS;
	/* Other tags than the configured would come back with these, or meet them on the other side. */
	if (translates && !has_tags(data, data_end, l3, way->tags.from))
		return XDP_PASS;
	__builtin_memcpy(macs, data, sizeof(macs));
	if (translates && write_layer2(ctx, &way->tags, macs))
		return XDP_PASS;
	return bpf_redirect(port, 0);
}

#endif /* NARTHEX_BPF_FORWARD_H */
