/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The program of one uplink interface: what arrives for clients. Packets to authorised clients
 * are counted and passed; to the others only the garden and the resolvers may speak. Whatever is
 * not for a client (the gateway itself, other networks) is not narthex's business and passes.
 *
 * In the flow the client is the destination, so both directions ask the same questions (zone.h).
 */
#include "account.h"
#include "outcome.h"

const volatile struct nx_uplink_config uplink_config = {};

/* Turns a parsed packet round: the client is whom it goes to. */
static __always_inline void turn(struct nx_flow *flow)
{
	struct nx_flow copy = *flow;

	__builtin_memcpy(flow->client, copy.server, 16);
	__builtin_memcpy(flow->server, copy.client, 16);
	flow->client_port = copy.server_port;
	flow->server_port = copy.client_port;
}

/* Replies that a client without a session may have. */
static __always_inline enum nx_reason judge_stranger(struct xdp_md *ctx, zone_constants zone,
						     struct packet *p)
{
	if (zone->mode != NX_MODE_ENFORCE)
		return NX_REASON_DOWNLINK_MODE;
	turn(&p->flow); /* back: the ports are read as they stand in the packet */
	if (parse_network(ctx, p) != PARSED)
		return NX_REASON_UNSOLICITED;
	if ((p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) && parse_ports(p) != PARSED)
		return NX_REASON_UNSOLICITED;
	turn(&p->flow);
	if (in_garden(&p->flow, p->protocol))
		return NX_REASON_DOWNLINK_GARDEN;
	if ((p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) &&
	    is_resolver(zone, &p->flow))
		return NX_REASON_DOWNLINK_DNS;
	return NX_REASON_UNSOLICITED;
}

static __always_inline enum nx_reason judge_zone(struct xdp_md *ctx, zone_constants zone,
						 struct packet *p)
{
	struct account account = {};

	p->flow.zone = zone->zone;
	if (find_account(zone, &p->flow, &account) == STRANGER)
		return judge_stranger(ctx, zone, p);
	charge(&account, NX_LEDGER_DOWN, p->bytes);
	return NX_REASON_DOWNLINK_AUTHORISED;
}

static __always_inline enum nx_reason judge_arrival(struct xdp_md *ctx, struct packet *p)
{
	if (parse_ethernet(p) != PARSED || parse_addresses(p) != PARSED)
		return NX_REASON_DOWNLINK_OTHER;
	turn(&p->flow);
#pragma unroll
	for (__u32 i = 0; i < NX_MAX_ZONES; i++) {
		if (i >= uplink_config.zone_count)
			break;
		if (is_client(&uplink_config.zones[i], &p->flow))
			return judge_zone(ctx, &uplink_config.zones[i], p);
	}
	return NX_REASON_DOWNLINK_OTHER;
}

SEC("xdp")
int nx_uplink(struct xdp_md *ctx)
{
	struct packet p = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};
	enum nx_reason reason;

	p.bytes = p.data_end - p.data;
	reason = judge_arrival(ctx, &p);
	count(reason);
	return verdict_of(reason) == NX_PASS ? XDP_PASS : XDP_DROP;
}

char license_name[] SEC("license") = "Dual BSD/GPL";
