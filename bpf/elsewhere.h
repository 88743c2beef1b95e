/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys that move between ports: an address or MAC address with a session in another zone is a stranger
 * here, and narthexd is told. Asked of strangers' packets alone: addresses only of those whose source
 * is none of this zone's, and all of them only so often a second, so that a flood costs no more.
 */
#ifndef NARTHEX_BPF_ELSEWHERE_H
#define NARTHEX_BPF_ELSEWHERE_H

#include "access_maps.h"
#include "zone.h"

/* Packets of this second that were looked up. Two CPUs may count one too few. */
__u32 sightings_s;
__u32 sightings;

/* What is known of a stranger's packet; a function of its own cannot have the packet. */
struct sighting {
	__u8 addr[16];
	__u8 mac[ETH_ALEN];
	__u8 by_address; /* the source is none of this zone's */
	__u8 ipv6;
	__u32 where; /* NX_WHERE */
};

struct owner {
	__s64 session; /* index in `sessions`; -1: nobody */
	__u32 zone;
};

static __always_inline int is_live(__u32 index)
{
	const struct nx_session *session = session_at(index);

	return session && session->expires_ns > clock.now_ns;
}

static __always_inline int owns_key(struct owner *owner, const struct nx_key *key)
{
	const __u32 *index = bpf_map_lookup_elem(&keys, key);

	if (!index || !is_live(*index))
		return 0;
	owner->session = *index;
	owner->zone = key->zone;
	return 1;
}

static __always_inline void find_pool_owner(struct owner *owner, const __u8 *mapped)
{
	__be32 network;
	__u32 addr;

	__builtin_memcpy(&network, mapped + 12, 4);
	addr = bpf_ntohl(network);
	for (__u32 i = 0; i < NX_MAX_OTHER_POOLS; i++) {
		const volatile struct nx_other_pool *other = &others.pools[i];
		__u32 offset = addr - other->pool.first;

		if (i >= others.pool_count)
			return;
		if (offset >= other->pool.count)
			continue;
		if (!is_live(other->pool.session + offset))
			return;
		owner->session = other->pool.session + offset;
		owner->zone = other->zone;
		return;
	}
}

static __always_inline void find_prefix_owner(struct owner *owner, const __u8 *addr)
{
	__u64 a[2];

	__builtin_memcpy(a, addr, 16);
	for (__u32 i = 0; i < NX_MAX_OTHER_PREFIXES; i++) {
		const volatile struct nx_other_prefix *other = &others.prefixes[i];

		if (i >= others.prefix_count)
			return;
		if ((a[0] & other->prefix.mask[0]) != other->prefix.addr[0] ||
		    (a[1] & other->prefix.mask[1]) != other->prefix.addr[1])
			continue;
		for (__u32 n = 0; n < NX_MAX_KEY_LENGTHS; n++) {
			struct nx_key key = {};

			if (n >= other->key_length_count)
				return;
			address_key(&key, other->zone, addr, other->key_lengths[n]);
			if (owns_key(owner, &key))
				return;
		}
		return;
	}
}

static __always_inline void find_mac_owner(struct owner *owner, const __u8 *mac)
{
	for (__u32 i = 0; i < NX_MAX_ZONES; i++) {
		struct nx_key key = { .kind = NX_KEY_MAC, .prefix_len = 48 };

		if (i >= others.mac_zone_count)
			return;
		key.zone = others.mac_zones[i];
		__builtin_memcpy(key.addr, mac, ETH_ALEN);
		if (owns_key(owner, &key))
			return;
	}
}

/* Not again within NX_ELSEWHERE_S. */
static __always_inline int report_is_due(__u32 session, __u32 now_s)
{
	__u32 *last = bpf_map_lookup_elem(&elsewhere, &session);

	if (last && now_s - *last < NX_ELSEWHERE_S)
		return 0;
	bpf_map_update_elem(&elsewhere, &session, &now_s, BPF_ANY);
	return 1;
}

/* A function of its own, which the verifier walks once. */
__noinline int report_sighting(const struct sighting *seen)
{
	struct owner owner = { .session = -1 };
	struct nx_event *event;

	if (!seen)
		return 0;
	if (seen->by_address && seen->ipv6)
		find_prefix_owner(&owner, seen->addr);
	else if (seen->by_address)
		find_pool_owner(&owner, seen->addr);
	if (owner.session < 0)
		find_mac_owner(&owner, seen->mac);
	if (owner.session < 0 || !report_is_due(owner.session, clock.now_s))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->at_ns = clock.now_ns;
	event->kind = NX_EVENT_ELSEWHERE;
	event->session = owner.session;
	event->was = NX_WHERE(owner.zone, 0, 0);
	event->is = seen->where;
	__builtin_memcpy(event->addr, seen->addr, 16);
	__builtin_memcpy(event->mac, seen->mac, ETH_ALEN);
	event->zone = owner.zone;
	bpf_ringbuf_submit(event, 0);
	return 1;
}

static __always_inline int may_look(void)
{

	if (sightings_s != clock.now_s) {
		sightings_s = clock.now_s;
		sightings = 0;
	}
	return sightings++ < NX_ELSEWHERE_PER_SECOND;
}

/* Of a packet that no session of this zone covers, and what it was judged to be. */
static __always_inline void watch_others(const struct packet *p, enum nx_reason reason)
{
	int by_address = reason == NX_REASON_MARTIAN;
	const struct ethhdr *eth = p->data;
	struct sighting seen = {};

	if (!others.mac_zone_count &&
	    (!(others.pool_count || others.prefix_count) || !by_address))
		return;
	if ((void *)(eth + 1) > p->data_end || !may_look())
		return;
	__builtin_memcpy(seen.addr, p->flow.client, 16);
	__builtin_memcpy(seen.mac, eth->h_source, ETH_ALEN);
	seen.by_address = by_address;
	seen.ipv6 = p->flow.ipv6;
	seen.where = NX_WHERE(zone_config.zone, p->vlan[0], p->vlan[1]);
	report_sighting(&seen);
}

#endif /* NARTHEX_BPF_ELSEWHERE_H */
