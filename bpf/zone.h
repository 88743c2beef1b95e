/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions about a zone (access network) that both directions ask: is this address a client,
 * a resolver, in the garden?
 *
 * The zone's constants are rodata: with the loops unrolled the verifier knows each value and
 * removes what the configuration leaves off.
 */
#ifndef NARTHEX_BPF_ZONE_H
#define NARTHEX_BPF_ZONE_H

#include "maps.h"
#include "parse.h"

#define PORT_DNS 53

typedef const volatile struct nx_zone_config *zone_constants;

static __always_inline struct nx_session *session_at(__u32 index)
{
	return bpf_map_lookup_elem(&sessions, &index);
}

/* The last 64 bits of the mask of a prefix of `length` bits, 64 to 128. */
static __always_inline __u64 prefix_mask(__u8 length)
{
	return length <= 64 ? 0 : bpf_cpu_to_be64(~0ull << ((128 - length) & 63));
}

/* The key of the prefix of `length` bits, 64 to 128, that holds an IPv6 address. */
static __always_inline void address_key(struct nx_key *key, __u16 zone, const __u8 *addr,
					__u8 length)
{
	__u64 low;

	__builtin_memcpy(key->addr, addr, 16);
	__builtin_memcpy(&low, addr + 8, 8);
	low &= prefix_mask(length);
	__builtin_memcpy(key->addr + 8, &low, 8);
	key->zone = zone;
	key->kind = NX_KEY_ADDRESS;
	key->prefix_len = length;
}

/* Index in `sessions` of an IPv4 address, or -1 if no pool of the zone has it. */
static __always_inline __s64 pool_index_of(zone_constants zone, __be32 network)
{
	__u32 addr = bpf_ntohl(network);

#pragma unroll
	for (int i = 0; i < NX_MAX_POOLS; i++) {
		__u32 offset = addr - zone->pools[i].first;
		__u32 session = zone->pools[i].session; /* before it is asked for, or clang finds the pool twice */

		if (i >= zone->pool_count)
			break;
		if (offset < zone->pools[i].count)
			return (__u32)(session + offset);
	}
	return -1;
}

/* The same of a v4-mapped address. */
static __always_inline __s64 pool_index(zone_constants zone, const __u8 *mapped)
{
	__be32 network;

	__builtin_memcpy(&network, mapped + 12, 4);
	return pool_index_of(zone, network);
}

/* The longest come first. */
static __always_inline __u8 shortest_key_length(zone_constants zone)
{
	__u8 shortest = 128;

#pragma unroll
	for (int i = 0; i < NX_MAX_KEY_LENGTHS; i++) {
		if (i >= zone->key_length_count)
			break;
		shortest = zone->key_lengths[i];
	}
	return shortest;
}

static __always_inline int in_ipv6_prefixes(zone_constants zone, const __u8 *addr)
{
	__u64 a[2];

	__builtin_memcpy(a, addr, 16);
#pragma unroll
	for (int i = 0; i < NX_MAX_PREFIXES; i++) {
		if (i >= zone->prefix_count)
			break;
		if ((a[0] & zone->prefixes[i].mask[0]) == zone->prefixes[i].addr[0] &&
		    (a[1] & zone->prefixes[i].mask[1]) == zone->prefixes[i].addr[1])
			return 1;
	}
	return 0;
}

/* The gateway's own addresses and the broadcast addresses of its networks. */
static __always_inline int is_own(zone_constants zone, const __u8 *addr)
{
	const __u64 *a = (const __u64 *)addr;

#pragma unroll
	for (int i = 0; i < NX_MAX_OWN; i++) {
		if (i >= zone->own_count)
			break;
		if (a[0] == zone->own[i][0] && a[1] == zone->own[i][1])
			return 1;
	}
	return 0;
}

/* Is the flow's client one of the zone? `in_pools`: it is, if it is an IPv4 address. */
static __always_inline int is_client(zone_constants zone, const struct nx_flow *flow, int in_pools)
{
	if (flow->ipv6 ? !in_ipv6_prefixes(zone, flow->client) : !in_pools)
		return 0;
	return !is_own(zone, flow->client);
}

/* Is the server one of the zone's resolvers, asked on the port of DNS? */
static __always_inline int is_resolver(zone_constants zone, const struct nx_flow *flow)
{
	const __u64 *server = (const __u64 *)flow->server;

	if (flow->server_port != bpf_htons(PORT_DNS))
		return 0;
#pragma unroll
	for (int i = 0; i < NX_MAX_RESOLVERS; i++) {
		if (i >= zone->resolver_count)
			break;
		if (server[0] == zone->resolvers[i][0] && server[1] == zone->resolvers[i][1])
			return 1;
	}
	return 0;
}

static __always_inline struct nx_dns_rules *dns_rules_of(__u32 zone)
{
	__u64 row = zone;

	asm volatile("%0 &= %1" : "+r"(row) : "i"(NX_DNS_ROWS - 1)); /* which no zone reaches */
	return &dns_rules[row];
}

static __always_inline int admits(const struct nx_garden *entry, __u8 protocol, __u16 port)
{
#pragma unroll
	for (__u32 i = 0; i < NX_MAX_GARDEN_RANGES; i++) {
		const struct nx_port_range *range = &entry->ranges[i];

		if (i >= entry->range_count)
			break;
		if (!range->protocol ||
		    (range->protocol == protocol && port >= range->first && port <= range->last))
			return 1;
	}
	return 0;
}

/* Was the server's address answered for a name of the garden? */
static __always_inline int in_learned(const struct nx_flow *flow, __u8 protocol, __u16 port,
				      const struct nx_dns_rules *rules)
{
	const struct nx_learned *entry;
	struct nx_key key = {};

	if (!rules->learn)
		return 0;
	address_key(&key, flow->zone, flow->server, 128);
	entry = bpf_map_lookup_elem(&learned, &key);
	return entry && entry->until_s > clock.now_s && admits(&entry->open, protocol, port);
}

/* May something near the server be in a garden? */
static __always_inline int is_near_garden(const struct nx_flow *flow)
{
	const __u8 *addr = flow->server + 12;
	__u32 word = (__u32)addr[0] << 2 | addr[1] >> 6;
	const __u64 *bits;

	if (flow->ipv6)
		return 1;
	bits = bpf_map_lookup_elem(&garden_blocks, &word);
	return bits && *(const volatile __u64 *)bits >> (addr[1] & 63) & 1;
}

/* Does the garden of the flow's zone admit its server, protocol and port? */
static __always_inline int in_garden(const struct nx_flow *flow, __u8 protocol,
				     const struct nx_dns_rules *rules)
{
	struct nx_garden_key key = { .prefix_len = NX_GARDEN_PREFIX_BASE + 128, .zone = flow->zone };
	__u16 port = bpf_ntohs(flow->server_port);
	struct nx_garden *entry;

	if (!is_near_garden(flow))
		return 0;
	__builtin_memcpy(key.addr, flow->server, 16);
	entry = bpf_map_lookup_elem(&garden, &key);
	if (entry && admits(entry, protocol, port))
		return 1;
	return in_learned(flow, protocol, port, rules);
}

#endif /* NARTHEX_BPF_ZONE_H */
