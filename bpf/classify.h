/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verdicts on a client that has no session, in their order (DESIGN §3). Each function
 * returns the reason that decides, or UNDECIDED; what nobody decides is dropped.
 */
#ifndef NARTHEX_BPF_CLASSIFY_H
#define NARTHEX_BPF_CLASSIFY_H

#include "access_maps.h"
#include "account.h"
#include "before_login.h"
#include "dns.h"
#include "refuse_udp.h"
#include "reply.h"
#include "zone.h"

#define PORT_DHCP_SERVER 67
#define PORT_DHCP_CLIENT 68
#define PORT_DHCP6_CLIENT 546
#define PORT_DHCP6_SERVER 547

static __always_inline int is_ipv6_multicast(const __u8 *addr)
{
	return addr[0] == 0xff;
}

static __always_inline int is_ipv6_link_local(const __u8 *addr)
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/* A destination that no router forwards to: packets for it stay on the access network. */
static __always_inline int stays_on_link(const __u8 *addr)
{
	return is_ipv6_link_local(addr) || (addr[0] == 0xff && (addr[1] & 0x0f) <= 2) ||
	       in_ipv6_prefixes(&zone_config, addr);
}

/* ND, DAD (RFC 4861 §7.1: hop limit 255) and MLD (RFC 3810 §5: link-local, hop limit 1). */
static __always_inline enum nx_reason judge_neighbour(const struct packet *p)
{
	struct icmp6hdr *icmp = at(p, p->l4);

	if (p->protocol != IPPROTO_ICMPV6 || !p->flow.ipv6)
		return UNDECIDED;
	if (p->l4 + 8 > p->end || (void *)icmp + 8 > p->data_end)
		return NX_REASON_TRUNCATED;
	if (!stays_on_link(p->flow.server))
		return UNDECIDED;
	switch (icmp->icmp6_type) {
	case 133: case 135: case 136: /* solicitations and advertisements of a host, not a router's */
		return p->hop_limit == 255 ? NX_REASON_NEIGHBOUR : UNDECIDED;
	case 130: case 131: case 132: case 143:
		return p->hop_limit == 1 ? NX_REASON_NEIGHBOUR : UNDECIDED;
	}
	return UNDECIDED;
}

/* To the limited broadcast, to the zone's own addresses or to multicast: never beyond. */
static __always_inline enum nx_reason judge_dhcp(const struct packet *p)
{
	const struct nx_flow *flow = &p->flow;
	__be32 to;

	if (p->protocol != IPPROTO_UDP)
		return UNDECIDED;
	if (flow->ipv6)
		return flow->client_port == bpf_htons(PORT_DHCP6_CLIENT) &&
				       flow->server_port == bpf_htons(PORT_DHCP6_SERVER) &&
				       stays_on_link(flow->server)
			       ? NX_REASON_DHCP
			       : UNDECIDED;
	__builtin_memcpy(&to, flow->server + 12, 4);
	if (flow->client_port != bpf_htons(PORT_DHCP_CLIENT) ||
	    flow->server_port != bpf_htons(PORT_DHCP_SERVER))
		return UNDECIDED;
	return to == 0xffffffff || pool_index(&zone_config, flow->server) >= 0 ? NX_REASON_DHCP : UNDECIDED;
}

/* RFC 9293 §3.5.2: the RST that a closed port sends. */
static __always_inline enum nx_reason reset(struct xdp_md *ctx, const struct packet *p,
					    const struct segment *s,
					    struct reply *reply)
{
	if (!before_login_allows(ctx->rx_queue_index, p, NX_BEFORE_RST, clock.now_s))
		return NX_REASON_RST_LIMITED;
	if (!tcp_checksum_ok(ctx, p, s))
		return NX_REASON_CHECKSUM;
	reply->window = 0;
	reply->mss = 0;
	if (s->flags & TCP_ACK) {
		reply->seq = s->ack;
		reply->ack = 0;
		reply->flags = TCP_RST;
	} else {
		reply->seq = 0;
		reply->ack = bpf_htonl(bpf_ntohl(s->seq) + 1 + s->payload);
		reply->flags = TCP_RST | TCP_ACK;
	}
	return NX_REASON_RST;
}

static __always_inline int worker_alive(__u32 queue)
{
	__u32 index = zone_config.worker_base + queue;
	struct nx_worker *worker = bpf_map_lookup_elem(&workers, &index);

	return worker && queue < NX_MAX_QUEUES &&
	       (__s64)(clock.now_ns - worker->heartbeat_ns) < (__s64)NX_HEARTBEAT_STALE_NS;
}

static __always_inline enum nx_reason answer_syn(struct xdp_md *ctx, struct packet *p,
						 const struct segment *s, struct reply *reply)
{
	__u32 mss = parse_mss(ctx, p, s);
	__u32 mss_class = mss >= NX_FULL_RESPONSE_BYTES ? NX_MSS_FULL : NX_MSS_COMPACT;
	__u32 queue = ctx->rx_queue_index;

	if (mss < NX_COMPACT_RESPONSE_BYTES)
		return NX_REASON_MSS_TOO_SMALL;
	if (!worker_alive(queue))
		return NX_REASON_WORKER_STALE;
	if (!before_login_allows(queue, p, NX_BEFORE_SYN, clock.now_s))
		return NX_REASON_SYN_LIMITED;
	if (!tcp_checksum_ok(ctx, p, s))
		return NX_REASON_CHECKSUM;
	make_syn_ack(reply, nx_cookie_base(&cookie_keys, &p->flow, clock.slot) | mss_class, bpf_ntohl(s->seq) + 1);
	/* The option only where the SYN has room for it: a reply is never the longer one. */
	if (s->header > sizeof(struct tcphdr))
		reply->mss = p->flow.ipv6 ? NX_MSS_V6_BYTES : NX_MSS_V4_BYTES;
	return NX_REASON_SYN_ACK;
}

static __always_inline enum nx_reason answer_segment(struct xdp_md *ctx, struct packet *p,
						     const struct segment *s, struct reply *reply)
{
	__u32 mss_class;

	if (nx_cookie_check(&cookie_keys, &p->flow, clock.slot, bpf_ntohl(s->ack), &mss_class) == NX_COOKIE_INVALID)
		return reset(ctx, p, s, reply);
	if (s->payload)
		return NX_REASON_REQUEST;
	if (!(s->flags & TCP_FIN))
		return NX_REASON_COOKIE_ACK;
	if (!tcp_checksum_ok(ctx, p, s))
		return NX_REASON_CHECKSUM;
	reply->seq = s->ack;
	reply->ack = bpf_htonl(bpf_ntohl(s->seq) + 1);
	reply->flags = TCP_ACK;
	reply->window = NX_WINDOW_BYTES;
	reply->mss = 0;
	return NX_REASON_FIN_ACK;
}

static __always_inline int is_intercepted(__be16 port)
{
#pragma unroll
	for (int i = 0; i < NX_MAX_PORTS; i++) {
		if (i >= zone_config.port_count)
			break;
		if (port == bpf_htons(zone_config.ports[i]))
			return 1;
	}
	return 0;
}

/* A destination that TCP cannot have: multicast, broadcast, unspecified, loopback. */
static __always_inline int is_martian_destination(const struct nx_flow *flow)
{
	const __u32 *words = (const __u32 *)flow->server;

	if (flow->ipv6)
		return is_ipv6_multicast(flow->server) ||
		       (!words[0] && !words[1] && !words[2] && bpf_ntohl(words[3]) <= 1);
	return flow->server[12] == 0 || flow->server[12] == 127 || flow->server[12] >= 224;
}

/* A frame to everybody: its answer would have a group address as its source. */
static __always_inline int is_to_group(const struct packet *p)
{
	const struct ethhdr *eth = p->data;

	return (void *)(eth + 1) > p->data_end || eth->h_dest[0] & 1;
}

static __always_inline enum nx_reason judge_tcp(struct xdp_md *ctx, struct packet *p,
						const struct nx_dns_rules *rules, struct reply *reply)
{
	struct segment s = {};
	enum nx_reason reason = parse_tcp(p, &s);
	__u32 kind;

	if (reason != PARSED)
		return reason;
	if (is_martian_destination(&p->flow) || is_to_group(p))
		return NX_REASON_MARTIAN;
	kind = s.flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);
	if (kind != TCP_SYN && (kind & ~TCP_FIN) != TCP_ACK)
		return (kind & (TCP_SYN | TCP_RST)) == TCP_RST ? NX_REASON_RST_RECEIVED
								       : NX_REASON_TCP_FLAGS;
	if (kind == TCP_SYN && answer_is_unread(&zone_config, &p->flow, rules))
		return NX_REASON_ANSWER_UNREAD;
	if (!is_intercepted(p->flow.server_port))
		return zone_config.reject & NX_REJECT_TCP ? reset(ctx, p, &s, reply)
							  : NX_REASON_TCP_DROPPED;
	if (kind == TCP_SYN)
		return answer_syn(ctx, p, &s, reply);
	return answer_segment(ctx, p, &s, reply);
}

/*
 * A connection that narthex has answered cannot be handed to the origin: a client that logged in
 * in the middle of it gets its 511 to the end. Only a valid cookie tells such a connection;
 * everything else of the client is left alone.
 */
static __always_inline enum nx_reason judge_sticky(struct xdp_md *ctx, struct packet *p,
						   struct reply *reply)
{
	struct segment s = {};
	__u32 mss_class;

	if (parse_network(ctx, p) != PARSED || p->protocol != IPPROTO_TCP ||
	    parse_ports(p) != PARSED || !is_intercepted(p->flow.server_port) ||
	    parse_tcp(p, &s) != PARSED || (s.flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return UNDECIDED;
	if (nx_cookie_check(&cookie_keys, &p->flow, clock.slot, bpf_ntohl(s.ack),
						       &mss_class) == NX_COOKIE_INVALID)
		return UNDECIDED;
	return answer_segment(ctx, p, &s, reply);
}

static __always_inline int is_icmp(const struct packet *p)
{
	return p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6;
}

/* QUIC first of all: refused, so that the client turns to TCP at once. */
static __always_inline enum nx_reason judge_udp(const struct xdp_md *ctx, const struct packet *p,
						const struct nx_dns_rules *rules)
{
	if (answer_is_unread(&zone_config, &p->flow, rules))
		return NX_REASON_ANSWER_UNREAD;
	if (!(zone_config.reject & NX_REJECT_UDP) || p->options ||
	    is_martian_destination(&p->flow) || is_to_group(p) || !udp_refusal_fits(p))
		return NX_REASON_UDP;
	return before_login_allows(ctx->rx_queue_index, p, NX_BEFORE_ICMP, clock.now_s)
		       ? NX_REASON_UDP_REFUSED
		       : NX_REASON_ICMP_LIMITED;
}

static __always_inline int has_ports(const struct packet *p)
{
	return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
}

/* What becomes of a packet whose client has no session, once all its headers are parsed. */
static __always_inline enum nx_reason judge(struct xdp_md *ctx, struct packet *p,
					    struct reply *reply)
{
	const struct nx_dns_rules *rules = dns_rules_of(p->flow.zone);
	enum nx_reason reason = judge_neighbour(p);

	if (reason != UNDECIDED)
		return reason;
	reason = judge_dhcp(p);
	if (reason != UNDECIDED)
		return reason;
	if (!is_client(&zone_config, &p->flow, p->in_pools))
		return NX_REASON_MARTIAN;
	if (in_garden(&p->flow, p->protocol, rules))
		reason = NX_REASON_GARDEN;
	else if (has_ports(p) && is_resolver(&zone_config, &p->flow))
		reason = judge_dns(ctx, p, rules);
	else
		reason = UNDECIDED;
	if (reason == NX_REASON_GARDEN && is_icmp(p) &&
	    !before_login_allows(ctx->rx_queue_index, p, NX_BEFORE_ICMP, clock.now_s))
		return NX_REASON_ICMP_LIMITED;
	if (reason != UNDECIDED) /* options could route it past the destination that was judged */
		return p->options ? NX_REASON_EXTENSION_HEADERS : reason;
	if (p->protocol == IPPROTO_TCP)
		return judge_tcp(ctx, p, rules, reply);
	if (p->protocol == IPPROTO_UDP)
		return judge_udp(ctx, p, rules);
	if (is_icmp(p))
		return NX_REASON_ICMP;
	return NX_REASON_IP_PROTOCOL;
}

static __always_inline enum nx_reason parse_and_judge(struct xdp_md *ctx, struct packet *p,
						      struct reply *reply)
{
	enum nx_reason reason = parse_network(ctx, p);

	if (reason == PARSED && has_ports(p))
		reason = parse_ports(p);
	return reason == PARSED ? judge(ctx, p, reply) : reason;
}

#endif /* NARTHEX_BPF_CLASSIFY_H */
