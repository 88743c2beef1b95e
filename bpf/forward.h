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
 * Both directions of a zone differ in their `struct way` alone. forward_up.h and forward_down.h
 * are what the programs call.
 */
#ifndef NARTHEX_BPF_FORWARD_H
#define NARTHEX_BPF_FORWARD_H

#include <linux/icmpv6.h>

#include "vlan.h"
#include "zone.h"

#define AF_INET 2
#define AF_INET6 10
#define IPV6_TRAFFIC_BITS 0x0fffffff /* traffic class and flow label */
#define NEIGHBOUR_SLOTS 65536

/* Where a packet of one direction comes from, and where it may go to. */
struct way {
	struct retag tags;
	const volatile struct nx_port *in;
	const volatile struct nx_port *out; /* `out_count` of them */
	__u32 out_count;
};

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

/* What is asked of the kernel's routes, and its answer; the programs' stack has no room for it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_fib_lookup);
} routes SEC(".maps");

/* For each slot the second in which a packet to a neighbour of it was last left to the kernel. */
__u32 neighbour_seen[NEIGHBOUR_SLOTS];

/*
 * Only what the kernel sends itself makes it ask whether a neighbour is still there: without it a
 * next hop that has changed its address would never be found out. So one packet for each neighbour
 * goes that way every NX_NEIGHBOUR_S. Neighbours may share a slot; then it takes longer.
 */
static __always_inline int neighbour_is_due(__u32 next_hop)
{
	__u32 *seen = &neighbour_seen[next_hop * 0x9e3779b1 >> 16 & (NEIGHBOUR_SLOTS - 1)];
	const struct nx_clock *clk = read_clock();

	if (!clk || clk->now_s - *seen < NX_NEIGHBOUR_S)
		return 0;
	*seen = clk->now_s;
	return 1;
}

/* For rules and multipath routes that look at ports. */
static __always_inline void ask_for_ports(struct bpf_fib_lookup *route, const void *l4,
					  const void *data_end)
{
	const __be16 *ports = l4;

	if ((route->l4_protocol != IPPROTO_TCP && route->l4_protocol != IPPROTO_UDP) ||
	    (const void *)(ports + 2) > data_end)
		return;
	route->sport = ports[0];
	route->dport = ports[1];
}

/* Addresses that no router forwards from or to (RFC 1812 §5.3.7). */
static __always_inline int is_routable_ipv4(__be32 addr)
{
	__u8 first = addr & 0xff;

	return first != 0 && first != 127 && first < 224;
}

/* No options, no fragment, sound, with life left; and then what to ask. */
static __always_inline int ask_ipv4(const struct iphdr *ip, const void *data_end,
				    struct bpf_fib_lookup *route)
{
	const __u32 *words = (const void *)ip;

	if ((const void *)(ip + 1) > data_end || ((const __u8 *)ip)[0] != 0x45 ||
	    ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS) || ip->ttl <= 1 ||
	    bpf_ntohs(ip->tot_len) < sizeof(*ip) || bpf_ntohs(ip->tot_len) > route->tot_len ||
	    !is_routable_ipv4(ip->saddr) || !is_routable_ipv4(ip->daddr) ||
	    fold((__u64)words[0] + words[1] + words[2] + words[3] + words[4]) != 0xffff)
		return 0;
	route->family = AF_INET;
	route->tos = ip->tos;
	route->l4_protocol = ip->protocol;
	route->ipv4_src = ip->saddr;
	route->ipv4_dst = ip->daddr;
	ask_for_ports(route, ip + 1, data_end);
	return 1;
}

/* A global address or a unique local one; the kernel judges the rest. */
static __always_inline int is_routable_ipv6(const __u8 *addr)
{
	return addr[0] != 0xff && addr[0] != 0xfe && (addr[0] | addr[1]);
}

/* Extension headers go to the kernel: hop-by-hop options are for routers, fragments are its own. */
static __always_inline int ask_ipv6(const struct ipv6hdr *ip, const void *data_end,
				    struct bpf_fib_lookup *route)
{
	if ((const void *)(ip + 1) > data_end || ip->version != 6 || ip->hop_limit <= 1 ||
	    is_extension_header(ip->nexthdr) ||
	    sizeof(*ip) + bpf_ntohs(ip->payload_len) > route->tot_len ||
	    !is_routable_ipv6((const __u8 *)&ip->saddr) || !is_routable_ipv6((const __u8 *)&ip->daddr))
		return 0;
	route->family = AF_INET6;
	route->flowinfo = *(const __be32 *)ip & bpf_htonl(IPV6_TRAFFIC_BITS);
	route->l4_protocol = ip->nexthdr;
	__builtin_memcpy(route->ipv6_src, &ip->saddr, 16);
	__builtin_memcpy(route->ipv6_dst, &ip->daddr, 16);
	ask_for_ports(route, ip + 1, data_end);
	return 1;
}

/* The interface that a route's interface stands for, 0 if it is none where the packet may go. */
static __always_inline __u32 port_of(const struct way *way, __u32 via)
{
	for (__u32 i = 0; i < NX_MAX_UPLINKS; i++) {
		if (i >= way->out_count)
			break;
		if (via == way->out[i].via)
			return way->out[i].ifindex;
	}
	return 0;
}

/* RFC 1624 §3, eqn. 3: HC' = ~(~HC + ~m + m'), over the word that TTL and protocol make. */
static __always_inline void decrement_ttl(struct iphdr *ip)
{
	__be16 *word = (__be16 *)&ip->ttl, before = *word;

	ip->ttl--;
	ip->check = ~fold((__u64)(__u16)~ip->check + (__u16)~before + *word);
}

static __always_inline int age(struct xdp_md *ctx, __u64 l3, __u8 family)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	asm volatile("%0 &= 0x1f" : "+r"(l3)); /* 14, 18 or 22 */
	ip = data + l3;
	ip6 = data + l3;
	if ((void *)(ip + 1) > data_end)
		return -1; /* cannot be: it was read there */
	if (family == AF_INET)
		decrement_ttl(ip);
	else
		ip6->hop_limit--;
	return 0;
}

static __always_inline int send_by_route(struct xdp_md *ctx, __u64 l3, const struct way *way)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct bpf_fib_lookup *route;
	__u32 port, zero = 0;
	const __be16 *type;
	int asked;

	type = ethertype_at(data, l3);
	if (data + MAX_HLEN > data_end || (void *)(type + 1) + sizeof(struct iphdr) > data_end)
		return XDP_PASS;
	if (!has_tags(data, data_end, l3, way->tags.from) || !same_mac(data, way->in->mac))
		return XDP_PASS;
	route = bpf_map_lookup_elem(&routes, &zero);
	if (!route)
		return XDP_PASS;
	*route = (struct bpf_fib_lookup){
		.ifindex = way->in->via,
		/* Padding counts: an interface takes a frame, not a packet. */
		.tot_len = data_end - data - l3,
	};
	if (*type == bpf_htons(ETH_P_IP))
		asked = ask_ipv4((const void *)(type + 1), data_end, route);
	else
		asked = ask_ipv6((const void *)(type + 1), data_end, route);
	if (!asked || bpf_fib_lookup(ctx, route, sizeof(*route), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	port = port_of(way, route->ifindex);
	if (!port ||
	    neighbour_is_due(route->family == AF_INET ? route->ipv4_dst : route->ipv6_dst[3]))
		return XDP_PASS;
	if (write_layer2(ctx, &way->tags, route->dmac, route->smac))
		return XDP_PASS;
	if (age(ctx, ETH_HLEN + count_tags(way->tags.to) * sizeof(struct vlan_tag), route->family))
		return XDP_DROP;
	return bpf_redirect(port, 0);
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
	__u8 macs[2 * ETH_ALEN];
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
	if (translates && write_layer2(ctx, &way->tags, macs, macs + ETH_ALEN))
		return XDP_PASS;
	return bpf_redirect(port, 0);
}

#endif /* NARTHEX_BPF_FORWARD_H */
