/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a key may be used: a stolen address comes from another MAC address, or from another port
 * or VLAN. Asked only in zones that bind or watch (nx_zone_config.bind).
 */
#ifndef NARTHEX_BPF_PLACE_H
#define NARTHEX_BPF_PLACE_H

#include "zone.h"

static __always_inline void raise_event(const struct packet *p, struct nx_place *place,
					enum nx_event_kind kind, __u32 session, __u32 is)
{
	const struct ethhdr *eth = p->data;
	struct nx_event *event;

	if (place->alarm_s == clock.now_s || (void *)(eth + 1) > p->data_end)
		return;
	place->alarm_s = clock.now_s;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return;
	event->at_ns = clock.now_ns;
	event->kind = kind;
	event->session = session;
	event->was = place->where;
	event->is = is;
	__builtin_memcpy(event->addr, p->flow.client, 16);
	__builtin_memcpy(event->mac, eth->h_source, ETH_ALEN);
	event->zone = p->flow.zone;
	bpf_ringbuf_submit(event, 0);
}

static __always_inline __u64 mac_number(const __u8 *mac)
{
	__u32 high;
	__u16 low;

	__builtin_memcpy(&high, mac, 4);
	__builtin_memcpy(&low, mac + 4, 2);
	return (__u64)high << 16 | low;
}

static __always_inline int is_bound_mac(const struct packet *p, const struct nx_place *place)
{
	const struct ethhdr *eth = p->data;
	__u64 bound = mac_number(place->mac);

	if ((void *)(eth + 1) > p->data_end)
		return 0;
	return !bound || bound == mac_number(eth->h_source);
}

/*
 * The way back across a bridge, where the router beyond has chosen the station: somebody who told it by
 * ARP or ND that the address is his own gets nothing of the session.
 */
static __always_inline int is_to_bound_mac(const struct packet *p, __u32 session)
{
	const struct nx_place *place = bpf_map_lookup_elem(&places, &session);
	const struct ethhdr *eth = p->data;
	__u64 bound;

	if (!place || (void *)(eth + 1) > p->data_end)
		return 0;
	bound = mac_number(place->mac);
	return !bound || bound == mac_number(eth->h_dest);
}

/* 0 if the session must not be used from where the packet came. */
static __always_inline int place_allows(zone_constants zone, const struct packet *p, __u32 session)
{
	__u32 where = NX_WHERE(zone->zone, p->vlan[0], p->vlan[1]);
	struct nx_place *place = bpf_map_lookup_elem(&places, &session);

	if (!place)
		return 0;
	if (zone->bind & NX_BIND_MAC && !is_bound_mac(p, place)) {
		raise_event(p, place, NX_EVENT_MAC, session, where);
		return 0;
	}
	if (!(zone->bind & (NX_BIND_VLAN | NX_WATCH_MOVES)) || place->where == where)
		return 1;
	if (place->where)
		raise_event(p, place, NX_EVENT_MOVED, session, where);
	if (place->where && zone->bind & NX_BIND_VLAN)
		return 0;
	place->where = where;
	return 1;
}

#endif /* NARTHEX_BPF_PLACE_H */
