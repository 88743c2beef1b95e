/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a packet goes by the kernel's routes and neighbours, which bpf_fib_lookup is asked for.
 *
 * An answer for an IPv4 destination is kept for the tick of the clock in which it was given, 10 ms: what
 * changes is followed by then, whatever it was, and though narthexd is dead. It is given to the packets of
 * other clients, too, so it must depend on the destination alone: narthexd says whether it does
 * (routes_plain_until_ns), for a moment at a time; while it does not, each packet is asked for.
 */
#ifndef NARTHEX_BPF_ROUTE_H
#define NARTHEX_BPF_ROUTE_H

#include "vlan.h"
#include "zone.h"

#define AF_INET 2
#define AF_INET6 10
#define IPV6_TRAFFIC_BITS 0x0fffffff /* traffic class and flow label */
#define NEIGHBOUR_SLOTS 65536
#define HOP_BITS 10

/* Where a packet of one direction comes from, and where it may go to. */
struct way {
	struct retag tags;
	const volatile struct nx_port *in;
	const volatile struct nx_port *out; /* `out_count` of them */
	__u32 out_count;
};

/* What is asked of the kernel's routes, and its answer; the programs' stack has no room for it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_fib_lookup);
} routes SEC(".maps");

/* What is written to a frame, and the interface that it leaves by. */
struct hop {
	__u64 asked_ns; /* nx_clock.now_ns of then, and so whether it still holds; 0: it does not */
	__be32 destination;
	__u32 from; /* nx_port.via of where it was received */
	__u32 port; /* index of the interface */
	__u16 mtu;
	__u8 tos;
	__u8 zero;
	__u32 macs[3]; /* destination, source */
	__u32 zeros;
};

/* The last entry is for answers that are not kept. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, (1 << HOP_BITS) + 1);
	__type(key, __u32);
	__type(value, struct hop);
} hops SEC(".maps");

/*
 * Until then (CLOCK_BOOTTIME) routes of IPv4 depend on destination, TOS and interface alone: no rule
 * that looks at anything else, no multipath route. narthexd puts it off while it watches that.
 */
__u64 routes_plain_until_ns;

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

	if (clock.now_s - *seen < NX_NEIGHBOUR_S)
		return 0;
	*seen = clock.now_s;
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

/* Asks the kernel; `hop` is as it was if the packet is the kernel's. */
static __always_inline int ask(struct xdp_md *ctx, struct bpf_fib_lookup *route,
			       const struct way *way, struct hop *hop)
{
	__u32 port;

	if (bpf_fib_lookup(ctx, route, sizeof(*route), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return 0;
	port = port_of(way, route->ifindex);
	if (!port ||
	    neighbour_is_due(route->family == AF_INET ? route->ipv4_dst : route->ipv6_dst[3]))
		return 0;
	hop->asked_ns = 0;
	hop->port = port;
	hop->mtu = route->mtu_result;
	__builtin_memcpy(hop->macs, route->dmac, ETH_ALEN);
	__builtin_memcpy((__u8 *)hop->macs + ETH_ALEN, route->smac, ETH_ALEN);
	return 1;
}

/* Addresses that no router forwards from or to (RFC 1812 §5.3.7). */
static __always_inline int is_routable_ipv4(__be32 addr)
{
	__u8 first = addr & 0xff;

	return first != 0 && first != 127 && first < 224;
}

/* No options, no fragment, sound, with life left. `bytes`: of the packet as received. */
static __always_inline int is_forwardable_ipv4(const struct iphdr *ip, __u32 bytes)
{
	return *(const __u8 *)ip == 0x45 && !(ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS)) &&
	       ip->ttl > 1 && bpf_ntohs(ip->tot_len) >= sizeof(*ip) &&
	       bpf_ntohs(ip->tot_len) <= bytes && is_routable_ipv4(ip->saddr) &&
	       is_routable_ipv4(ip->daddr) && sums_to_zero(sum_plain_header(ip));
}

static __always_inline const struct hop *find_hop_ipv4(struct xdp_md *ctx, const struct iphdr *ip,
						       __u32 bytes, const struct way *way)
{
	const void *data_end = (void *)(long)ctx->data_end;
	struct bpf_fib_lookup *route;
	__u32 slot, zero = 0;
	struct hop *hop;

	if ((const void *)(ip + 1) > data_end || !is_forwardable_ipv4(ip, bytes))
		return 0;
	slot = ip->daddr * 0x9e3779b1 >> (32 - HOP_BITS);
	hop = bpf_map_lookup_elem(&hops, &slot);
	if (!hop)
		return 0;
	if (hop->asked_ns == clock.now_ns && hop->destination == ip->daddr && hop->tos == ip->tos &&
	    hop->from == way->in->via && bytes <= hop->mtu)
		return hop;
	route = bpf_map_lookup_elem(&routes, &zero);
	if (!route)
		return 0;
	*route = (struct bpf_fib_lookup){
		.family = AF_INET,
		.l4_protocol = ip->protocol,
		.tot_len = bytes,
		.ifindex = way->in->via,
		.tos = ip->tos,
		.ipv4_src = ip->saddr,
		.ipv4_dst = ip->daddr,
	};
	ask_for_ports(route, ip + 1, data_end);
	if (!ask(ctx, route, way, hop))
		return 0;
	hop->destination = ip->daddr;
	hop->tos = ip->tos;
	hop->from = way->in->via;
	if (clock.now_ns < routes_plain_until_ns)
		hop->asked_ns = clock.now_ns;
	return hop;
}

/* A global address or a unique local one; the kernel judges the rest. */
static __always_inline int is_routable_ipv6(const __u8 *addr)
{
	return addr[0] != 0xff && addr[0] != 0xfe && (addr[0] | addr[1]);
}

/* Extension headers go to the kernel: hop-by-hop options are for routers, fragments are its own. */
static __always_inline int is_forwardable_ipv6(const struct ipv6hdr *ip, __u32 bytes)
{
	return ip->version == 6 && ip->hop_limit > 1 && !is_extension_header(ip->nexthdr) &&
	       sizeof(*ip) + bpf_ntohs(ip->payload_len) <= bytes &&
	       is_routable_ipv6((const __u8 *)&ip->saddr) &&
	       is_routable_ipv6((const __u8 *)&ip->daddr);
}

static __always_inline const struct hop *find_hop_ipv6(struct xdp_md *ctx, const struct ipv6hdr *ip,
						       __u32 bytes, const struct way *way)
{
	const void *data_end = (void *)(long)ctx->data_end;
	__u32 last = 1 << HOP_BITS, zero = 0;
	struct bpf_fib_lookup *route;
	struct hop *hop;

	if ((const void *)(ip + 1) > data_end || !is_forwardable_ipv6(ip, bytes))
		return 0;
	hop = bpf_map_lookup_elem(&hops, &last);
	route = bpf_map_lookup_elem(&routes, &zero);
	if (!hop || !route)
		return 0;
	*route = (struct bpf_fib_lookup){
		.family = AF_INET6,
		.l4_protocol = ip->nexthdr,
		.tot_len = bytes,
		.ifindex = way->in->via,
		.flowinfo = *(const __be32 *)ip & bpf_htonl(IPV6_TRAFFIC_BITS),
	};
	__builtin_memcpy(route->ipv6_src, &ip->saddr, 16);
	__builtin_memcpy(route->ipv6_dst, &ip->daddr, 16);
	ask_for_ports(route, ip + 1, data_end);
	return ask(ctx, route, way, hop) ? hop : 0;
}

#endif /* NARTHEX_BPF_ROUTE_H */
