/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the access program does with a packet that passes. */
#ifndef NARTHEX_BPF_FORWARD_UP_H
#define NARTHEX_BPF_FORWARD_UP_H

#include "access_maps.h"
#include "forward.h"
#include "outcome.h"

struct nx_ports ports;

static __always_inline void set_way_up(struct way *way)
{
	*way = (struct way){
		.tags = { .from = { zone_config.access_vlan[0], zone_config.access_vlan[1] },
			  .to = { zone_config.uplink_vlan[0], zone_config.uplink_vlan[1] } },
		.in = &ports.access,
		.out = ports.uplinks,
		.out_count = zone_config.uplink_count,
	};
}

/* Functions of their own, which the verifier walks once. */
__noinline int route_up(struct xdp_md *ctx, __u32 l3)
{
	struct way way;

	set_way_up(&way);
	return send_by_route(ctx, l3, &way);
}

__noinline int bridge_up(struct xdp_md *ctx, __u32 l3)
{
	struct way way;

	set_way_up(&way);
	way.out = &ports.uplinks[zone_config.peer % NX_MAX_UPLINKS];
	return send_by_bridge(ctx, &zone_config, l3, &way);
}

/* Counts the packet as what became of it; an enum xdp_action. */
static __always_inline int pass_up(struct xdp_md *ctx, __u64 l3, enum nx_reason reason)
{
	int action = XDP_PASS;

	if (zone_config.forwarding == NX_FORWARD_FIB && reason == NX_REASON_AUTHORISED)
		action = route_up(ctx, l3);
	if (zone_config.forwarding == NX_FORWARD_BRIDGE)
		action = bridge_up(ctx, l3);
	if (zone_config.forwarding != NX_FORWARD_KERNEL && action == XDP_PASS)
		reason = fallback_of(reason);
	count(reason);
	return action;
}

#endif /* NARTHEX_BPF_FORWARD_UP_H */
