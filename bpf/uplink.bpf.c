/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The program of one uplink interface: what arrives for clients. Packets to authorised clients
 * are counted and passed; to the others only the garden and the resolvers may speak. Whatever is
 * not for a client (the gateway itself, other networks) is not narthex's business and passes.
 *
 * In the flow the client is the destination, so both directions ask the same questions (zone.h).
 */
#include "account.h"
#include "dhcp.h"
#include "dns_answer.h"
#include "forward_down.h"

/* Turns a parsed packet round: the client is whom it goes to. */
static __always_inline void turn(struct nx_flow *flow)
{
	struct nx_flow copy = *flow;

	__builtin_memcpy(flow->client, copy.server, 16);
	__builtin_memcpy(flow->server, copy.client, 16);
	flow->client_port = copy.server_port;
	flow->server_port = copy.client_port;
}

/* The client's port is the destination's. */
static __always_inline int is_from_dhcp_server(const struct nx_flow *flow)
{
	__u16 server = flow->ipv6 ? 547 : 67, client = flow->ipv6 ? 546 : 68;

	return flow->server_port == bpf_htons(server) && flow->client_port == bpf_htons(client);
}

/*
 * Of a bridged zone's clients the routers and DHCP servers are on the other side: ND (RFC 4861 §7.1:
 * hop limit 255, so from that link) and the answers of DHCP servers.
 */
static __always_inline int is_control(zone_constants zone, const struct packet *p)
{
	const struct icmp6hdr *icmp = at(p, p->l4);

	if (zone->forwarding != NX_FORWARD_BRIDGE)
		return 0;
	if (p->protocol == IPPROTO_UDP)
		return is_from_dhcp_server(&p->flow) && is_dhcp_answer(zone, p);
	return p->flow.ipv6 && p->protocol == IPPROTO_ICMPV6 && p->hop_limit == 255 &&
	       (void *)(icmp + 1) <= p->data_end && icmp->icmp6_type >= 133 &&
	       icmp->icmp6_type <= 137;
}

/* Replies that a client without a session may have. */
static __always_inline enum nx_reason judge_reply(struct xdp_md *ctx, zone_constants zone,
						  struct packet *p)
{
	const struct nx_dns_rules *rules = dns_rules_of(p->flow.zone);

	turn(&p->flow); /* back: the ports are read as they stand in the packet */
	if (parse_network(ctx, p) != PARSED)
		return NX_REASON_UNSOLICITED;
	if ((p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) && parse_ports(p) != PARSED)
		return NX_REASON_UNSOLICITED;
	turn(&p->flow);
	if (is_control(zone, p))
		return NX_REASON_DOWNLINK_CONTROL;
	/* First: a resolver teaches, also if the garden admits it. */
	if ((p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) &&
	    is_resolver(zone, &p->flow))
		return judge_answer(ctx, zone, p);
	if (in_garden(&p->flow, p->protocol, rules))
		return NX_REASON_DOWNLINK_GARDEN;
	return NX_REASON_UNSOLICITED;
}

/* A zone that only monitors learns its garden, too, or it would count wrongly. */
static __always_inline enum nx_reason judge_stranger(struct xdp_md *ctx, zone_constants zone,
						     struct packet *p)
{
	enum nx_reason reason;

	if (zone->mode == NX_MODE_BYPASS)
		return NX_REASON_DOWNLINK_MODE;
	reason = judge_reply(ctx, zone, p);
	return zone->mode == NX_MODE_ENFORCE ? reason : NX_REASON_DOWNLINK_MODE;
}

static __always_inline enum nx_reason judge_zone(struct xdp_md *ctx, zone_constants zone,
						 struct packet *p)
{
	struct account account = {};
	enum nx_reason reason;

	p->flow.zone = zone->zone;
	if (find_receiver(zone, &p->flow, &account) == STRANGER)
		return judge_stranger(ctx, zone, p);
	if (zone->forwarding == NX_FORWARD_BRIDGE && zone->bind & NX_BIND_MAC &&
	    !is_to_bound_mac(p, account.index))
		reason = NX_REASON_DOWNLINK_BINDING;
	else
		reason = charge(&account, NX_LEDGER_DOWN, p);
	if (reason == UNDECIDED)
		return NX_REASON_DOWNLINK_AUTHORISED;
	return zone->mode == NX_MODE_ENFORCE ? reason : NX_REASON_DOWNLINK_MODE;
}

/* Index of the zone whose client the flow has, or NX_MAX_ZONES. */
static __always_inline __u32 find_zone(const struct nx_flow *flow)
{
	__u32 i;

#pragma unroll
	for (i = 0; i < NX_MAX_ZONES; i++) {
		zone_constants zone = &uplink_config.zones[i];

		if (i >= uplink_config.zone_count ||
		    is_client(zone, flow, !flow->ipv6 && pool_index(zone, flow->client) >= 0))
			break;
	}
	return i < uplink_config.zone_count ? i : NX_MAX_ZONES;
}

/* `zone`: set to the index of the client's zone, if it is for one. */
static __always_inline enum nx_reason judge_arrival(struct xdp_md *ctx, struct packet *p,
						    __u32 *zone)
{
	if (parse_ethernet(p) != PARSED || parse_addresses(p) != PARSED)
		return NX_REASON_DOWNLINK_OTHER;
	turn(&p->flow);
	*zone = find_zone(&p->flow);
	if (*zone >= NX_MAX_ZONES)
		return NX_REASON_DOWNLINK_OTHER;
	return judge_zone(ctx, &uplink_config.zones[*zone], p);
}

SEC("xdp")
int nx_uplink(struct xdp_md *ctx)
{
	struct packet p = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};
	enum nx_reason reason;
	__u32 zone = NO_ZONE;

	p.bytes = p.data_end - p.data;
	reason = judge_arrival(ctx, &p, &zone);
	if (verdict_of(reason) == NX_PASS)
		return pass_down(ctx, &p, zone, reason);
	count(reason);
	return XDP_DROP;
}

char license_name[] SEC("license") = "Dual BSD/GPL";
