/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the uplink's program does with a packet that passes: by its zone's kind of forwarding. */
#ifndef NARTHEX_BPF_FORWARD_DOWN_H
#define NARTHEX_BPF_FORWARD_DOWN_H

#include "forward.h"
#include "outcome.h"

const volatile struct nx_uplink_config uplink_config = {};
struct nx_ports ports[NX_MAX_ZONES]; /* by index in uplink_config.zones */

#define NO_ZONE NX_MAX_ZONES

static __always_inline int some_zone_forwards(enum nx_forwarding how)
{
	return uplink_config.forwards >> how & 1;
}

static __always_inline void set_way_down(struct way *way, __u32 zone)
{
	zone_constants constants = &uplink_config.zones[zone];

	*way = (struct way){
		.tags = { .from = { constants->uplink_vlan[0], constants->uplink_vlan[1] },
			  .to = { constants->access_vlan[0], constants->access_vlan[1] } },
		.in = &ports[zone].uplinks[uplink_config.uplink % NX_MAX_UPLINKS],
		.out = &ports[zone].access,
		.out_count = 1,
	};
}

__noinline int route_down(struct xdp_md *ctx, __u32 l3, __u32 zone)
{
	struct way way;

	if (zone >= NX_MAX_ZONES)
		return XDP_PASS;
	set_way_down(&way, zone);
	return send_by_route(ctx, l3, &way);
}

__noinline int bridge_down(struct xdp_md *ctx, __u32 l3)
{
	__u32 zone = (uplink_config.bridged - 1u) % NX_MAX_ZONES;
	struct way way;

	set_way_down(&way, zone);
	return send_by_bridge(ctx, &uplink_config.zones[zone], l3, &way);
}

/* `zone`: index of the client's zone, or NO_ZONE. Counts the packet; an enum xdp_action. */
static __always_inline int pass_down(struct xdp_md *ctx, const struct packet *p, __u32 zone,
				     enum nx_reason reason)
{
	__u8 how = zone < NX_MAX_ZONES ? uplink_config.zones[zone].forwarding : NX_FORWARD_BRIDGE;
	int action = XDP_PASS;

	if (some_zone_forwards(NX_FORWARD_FIB) && how == NX_FORWARD_FIB &&
	    reason == NX_REASON_DOWNLINK_AUTHORISED)
		action = route_down(ctx, p->l3, zone);
	/* A client of a bridged zone is behind its own port and no other. */
	if (uplink_config.bridged && how == NX_FORWARD_BRIDGE &&
	    (zone == NO_ZONE || zone + 1 == uplink_config.bridged))
		action = bridge_down(ctx, p->l3);
	if (uplink_config.forwards >> NX_FORWARD_FIB && how != NX_FORWARD_KERNEL &&
	    action == XDP_PASS)
		reason = fallback_of(reason);
	count(reason);
	return action;
}

#endif /* NARTHEX_BPF_FORWARD_DOWN_H */
