/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verdicts on a client that has no session, in their order (DESIGN §3). Each function
 * returns the reason that decides, or UNDECIDED; what nobody decides is dropped.
 */
#ifndef NARTHEX_BPF_CLASSIFY_H
#define NARTHEX_BPF_CLASSIFY_H

#include "maps.h"
#include "parse.h"
#include "reply.h"

#define UNDECIDED NX_REASON_COUNT

#define PORT_DNS 53
#define PORT_DHCP_SERVER 67
#define PORT_DHCP_CLIENT 68
#define PORT_DHCP6_CLIENT 546
#define PORT_DHCP6_SERVER 547

static __always_inline struct nx_session *session_at(__u32 index)
{
	return bpf_map_lookup_elem(&sessions, &index);
}

/* Index in `sessions` of an IPv4 client, or -1 if no pool of the zone has its address. */
static __always_inline __s64 pool_index(const __u8 *mapped)
{
	__be32 network;
	__u32 addr;

	__builtin_memcpy(&network, mapped + 12, 4);
	addr = bpf_ntohl(network);
#pragma unroll
	for (int i = 0; i < NX_MAX_POOLS; i++) {
		__u32 offset = addr - zone_config.pools[i].first;

		if (i >= zone_config.pool_count)
			break;
		if (offset < zone_config.pools[i].count)
			return (__u32)(zone_config.pools[i].session + offset);
	}
	return -1;
}

static __always_inline int in_ipv6_prefixes(const __u8 *addr)
{
	__u64 a[2];

	__builtin_memcpy(a, addr, 16);
#pragma unroll
	for (int i = 0; i < NX_MAX_PREFIXES; i++) {
		if (i >= zone_config.prefix_count)
			break;
		if ((a[0] & zone_config.prefixes[i].mask[0]) == zone_config.prefixes[i].addr[0] &&
		    (a[1] & zone_config.prefixes[i].mask[1]) == zone_config.prefixes[i].addr[1])
			return 1;
	}
	return 0;
}

/* The gateway's own addresses and the broadcast addresses of its networks. */
static __always_inline int is_own(const __u8 *addr)
{
	const __u64 *a = (const __u64 *)addr;

#pragma unroll
	for (int i = 0; i < NX_MAX_OWN; i++) {
		if (i >= zone_config.own_count)
			break;
		if (a[0] == zone_config.own[i][0] && a[1] == zone_config.own[i][1])
			return 1;
	}
	return 0;
}

/* Is the source one that a client of the zone can have? */
static __always_inline int is_client(const struct nx_flow *flow)
{
	if (flow->ipv6 ? !in_ipv6_prefixes(flow->client) : pool_index(flow->client) < 0)
		return 0;
	return !is_own(flow->client);
}

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
	       in_ipv6_prefixes(addr);
}

/* ND, RA, DAD (RFC 4861 §7.1: hop limit 255) and MLD (RFC 3810 §5: link-local, hop limit 1). */
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
	case 133: case 134: case 135: case 136: case 137:
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
	return to == 0xffffffff || pool_index(flow->server) >= 0 ? NX_REASON_DHCP : UNDECIDED;
}

static __always_inline enum nx_reason judge_dns(const struct packet *p)
{
	const __u64 *server = (const __u64 *)p->flow.server;

	if (p->flow.server_port != bpf_htons(PORT_DNS))
		return UNDECIDED;
#pragma unroll
	for (int i = 0; i < NX_MAX_RESOLVERS; i++) {
		if (i >= zone_config.resolver_count)
			break;
		if (server[0] == zone_config.resolvers[i][0] &&
		    server[1] == zone_config.resolvers[i][1])
			return NX_REASON_DNS;
	}
	return UNDECIDED;
}

static __always_inline enum nx_reason judge_garden(const struct packet *p)
{
	struct nx_garden_key key = { .prefix_len = NX_GARDEN_PREFIX_BASE + 128, .zone = p->flow.zone };
	__u16 port = bpf_ntohs(p->flow.server_port);
	struct nx_garden *entry;

	__builtin_memcpy(key.addr, p->flow.server, 16);
	entry = bpf_map_lookup_elem(&garden, &key);
	if (!entry)
		return UNDECIDED;
#pragma unroll
	for (__u32 i = 0; i < NX_MAX_GARDEN_RANGES; i++) {
		const struct nx_port_range *range = &entry->ranges[i];

		if (i >= entry->range_count)
			break;
		if (!range->protocol ||
		    (range->protocol == p->protocol && port >= range->first && port <= range->last))
			return NX_REASON_GARDEN;
	}
	return UNDECIDED;
}

/* The client may draw so many replies a second; a count of its own, so no side channel. */
static __always_inline int reply_allowed(const struct nx_flow *flow, __u64 now_ns)
{
	struct nx_reply_limit fresh = { .second_ns = now_ns, .replies = 1 };
	struct nx_reply_limit *limit = bpf_map_lookup_elem(&reply_limits, flow->client);

	if (!limit) {
		bpf_map_update_elem(&reply_limits, flow->client, &fresh, BPF_ANY);
		return 1;
	}
	if (now_ns - limit->second_ns >= 1000000000ull) {
		limit->second_ns = now_ns;
		limit->replies = 0;
	}
	return __sync_fetch_and_add(&limit->replies, 1) < NX_REPLIES_PER_SECOND;
}

/* RFC 9293 §3.5.2: the RST that a closed port sends. */
static __always_inline enum nx_reason reset(struct xdp_md *ctx, const struct packet *p,
					    const struct segment *s, const struct nx_clock *clk,
					    struct reply *reply)
{
	if (!reply_allowed(&p->flow, clk->now_ns))
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
		reply->ack = s->seq + 1 + s->payload;
		reply->flags = TCP_RST | TCP_ACK;
	}
	return NX_REASON_RST;
}

static __always_inline int worker_alive(const struct xdp_md *ctx, const struct nx_clock *clk)
{
	__u32 index = zone_config.worker_base + ctx->rx_queue_index;
	struct nx_worker *worker = bpf_map_lookup_elem(&workers, &index);

	return worker && ctx->rx_queue_index < NX_MAX_QUEUES && (__s64)(clk->now_ns - worker->heartbeat_ns) < (__s64)NX_HEARTBEAT_STALE_NS;
}

static __always_inline enum nx_reason answer_syn(struct xdp_md *ctx, struct packet *p,
						 const struct segment *s,
						 const struct nx_cookie_keys *secret,
						 const struct nx_clock *clk, struct reply *reply)
{
	__u32 mss = parse_mss(ctx, p, s);
	__u32 mss_class = mss >= NX_FULL_RESPONSE_BYTES ? NX_MSS_FULL : NX_MSS_COMPACT;

	if (mss < NX_COMPACT_RESPONSE_BYTES)
		return NX_REASON_MSS_TOO_SMALL;
	if (!worker_alive(ctx, clk))
		return NX_REASON_WORKER_STALE;
	if (!tcp_checksum_ok(ctx, p, s))
		return NX_REASON_CHECKSUM;
	reply->seq = nx_cookie_base(secret, &p->flow, clk->slot) | mss_class;
	reply->ack = s->seq + 1;
	reply->flags = TCP_SYN | TCP_ACK;
	reply->window = NX_WINDOW_BYTES;
	/* The option only where the SYN has room for it: a reply is never the longer one. */
	reply->mss = 0;
	if (s->header > sizeof(struct tcphdr))
		reply->mss = p->flow.ipv6 ? NX_MSS_V6_BYTES : NX_MSS_V4_BYTES;
	return NX_REASON_SYN_ACK;
}

static __always_inline enum nx_reason answer_segment(struct xdp_md *ctx, struct packet *p,
						     const struct segment *s,
						     const struct nx_cookie_keys *secret,
						     const struct nx_clock *clk, struct reply *reply)
{
	__u32 mss_class;

	if (nx_cookie_check(secret, &p->flow, clk->slot, s->ack, &mss_class) == NX_COOKIE_INVALID)
		return reset(ctx, p, s, clk, reply);
	if (s->payload)
		return NX_REASON_REQUEST;
	if (!(s->flags & TCP_FIN))
		return NX_REASON_COOKIE_ACK;
	if (!tcp_checksum_ok(ctx, p, s))
		return NX_REASON_CHECKSUM;
	reply->seq = s->ack;
	reply->ack = s->seq + 1;
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

static __always_inline enum nx_reason judge_tcp(struct xdp_md *ctx, struct packet *p,
						struct reply *reply)
{
	struct segment s = {};
	struct nx_cookie_keys *secret;
	struct nx_clock *clk;
	enum nx_reason reason = parse_tcp(p, &s);
	__u32 zero = 0;

	if (reason != PARSED)
		return reason;
	if (is_martian_destination(&p->flow))
		return NX_REASON_MARTIAN;
	if (s.flags & TCP_RST)
		return s.flags & TCP_SYN ? NX_REASON_TCP_FLAGS : NX_REASON_RST_RECEIVED;
	if (s.flags & TCP_SYN ? s.flags & (TCP_FIN | TCP_ACK) : !(s.flags & TCP_ACK))
		return NX_REASON_TCP_FLAGS;
	clk = bpf_map_lookup_elem(&clock, &zero);
	secret = bpf_map_lookup_elem(&cookie_keys, &zero);
	if (!clk || !secret)
		return NX_REASON_WORKER_STALE;
	if (!is_intercepted(p->flow.server_port))
		return reset(ctx, p, &s, clk, reply);
	if (s.flags & TCP_SYN)
		return answer_syn(ctx, p, &s, secret, clk, reply);
	return answer_segment(ctx, p, &s, secret, clk, reply);
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
	const struct nx_cookie_keys *secret;
	const struct nx_clock *clk;
	__u32 zero = 0, mss_class;

	if (parse_network(ctx, p) != PARSED || p->protocol != IPPROTO_TCP ||
	    parse_ports(p) != PARSED || !is_intercepted(p->flow.server_port) ||
	    parse_tcp(p, &s) != PARSED || (s.flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return UNDECIDED;
	clk = bpf_map_lookup_elem(&clock, &zero);
	secret = bpf_map_lookup_elem(&cookie_keys, &zero);
	if (!clk || !secret || nx_cookie_check(secret, &p->flow, clk->slot, s.ack, &mss_class) ==
				       NX_COOKIE_INVALID)
		return UNDECIDED;
	return answer_segment(ctx, p, &s, secret, clk, reply);
}

/* What becomes of a packet whose client has no session. */
static __always_inline enum nx_reason judge(struct xdp_md *ctx, struct packet *p,
					    struct reply *reply)
{
	enum nx_reason reason = parse_network(ctx, p);
	int has_ports;

	if (reason != PARSED)
		return reason;
	reason = judge_neighbour(p);
	if (reason != UNDECIDED)
		return reason;
	has_ports = p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
	if (has_ports) {
		reason = parse_ports(p);
		if (reason != PARSED)
			return reason;
		reason = judge_dhcp(p);
		if (reason != UNDECIDED)
			return reason;
	}
	if (!is_client(&p->flow))
		return NX_REASON_MARTIAN;
	reason = judge_garden(p);
	if (reason == UNDECIDED && has_ports)
		reason = judge_dns(p);
	if (reason != UNDECIDED) /* options could route it past the destination that was judged */
		return p->options ? NX_REASON_EXTENSION_HEADERS : reason;
	if (p->protocol == IPPROTO_TCP)
		return judge_tcp(ctx, p, reply);
	if (p->protocol == IPPROTO_UDP)
		return NX_REASON_UDP;
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6)
		return NX_REASON_ICMP;
	return NX_REASON_IP_PROTOCOL;
}

#endif /* NARTHEX_BPF_CLASSIFY_H */
