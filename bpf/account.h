/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is authorised, by which key, and what it costs them.
 *
 *   fast bit set ── note in the CPU's ledger ──────────────► pass      (no cache miss)
 *   fast bit clear ── held bit clear ──────────────────────► unauthorised  (no cache miss)
 *                         └─ set ── session entry: valid? ── note ───────► pass, and set the fast
 *                                         └─ no ──► unauthorised            bit if the entry has
 *                                                                           no conditions
 *
 * Keys are asked in this order, and only the kinds that the zone has: IPv4 address (its entry lies
 * where its pool says), IPv6 prefixes (longest first), MAC address, line. The first that is
 * authorised decides. Towards a client only its address is known: `via` says which MAC or line
 * session used it last.
 */
#ifndef NARTHEX_BPF_ACCOUNT_H
#define NARTHEX_BPF_ACCOUNT_H

#include "fast.h"
#include "ledger.h"
#include "allowance.h"
#include "place.h"

enum standing {
	STRANGER,
	AUTHORISED,
	FRESH, /* authorised less than NX_STICKY_S ago: narthex may still own connections of it */
};

/* Whose packet it is. Of a fast client's entry the index alone: it has no conditions. */
struct account {
	struct nx_session *session;
	struct allowance allowance;
	__u32 index;
	__u8 by_via; /* a MAC or line session's: what its address is, `via` must be told */
};

/* What an entry says of a packet now. */
static __always_inline enum standing judge_entry(struct account *a, __u64 expires_ns)
{

	if (!expires_ns)
		return STRANGER;
	if (expires_ns <= clock.now_ns)
		return STRANGER;
	if (a->session->limits && !open_allowance(&a->allowance, a->session->limits, clock.now_s))
		return STRANGER;
	/* The clock may lag a tick behind the login: by a second, and by another for the 0 that begun is not. */
	if (a->session->begun && (__u16)(clock.now_s + 2 - a->session->begun) < NX_STICKY_S + 2)
		return FRESH;
	if (a->session->begun)
		a->session->begun = 0; /* or it would be fresh again when the seconds come round */
	return AUTHORISED;
}

/* Of an entry in the pools, which no fast bit spoke for. */
static __always_inline enum standing find_pool_account(zone_constants zone,
						       struct nx_session *entry, __u32 index,
						       struct account *a)
{
	enum standing standing;
	__u64 expires_ns;

	if (!entry || !is_held(index))
		return STRANGER;
	a->index = index;
	a->session = entry;
	expires_ns = *(volatile __u64 *)&entry->expires_ns;
	standing = judge_entry(a, expires_ns);
	if (standing == AUTHORISED && !entry->limits && !zone->bind)
		remember_fast(index, entry, expires_ns);
	return standing;
}

/*
 * The common case by itself: an IPv4 client whose bit is set. Neither flow nor account is needed for
 * it, and what is not filled in costs nothing. 1: noted, the packet passes.
 */
static __always_inline int passes_at_once(zone_constants zone, const struct packet *p)
{
	if (zone->bind || !is_fast(p->index))
		return 0;
	note_packet(p->index, 0, p->data_end - p->data);
	return 1;
}

/* The sender's entry, before anything else is known of the packet; 0: it is none of a pool. */
static __always_inline int find_pool_sender(zone_constants zone, struct packet *p)
{
	const struct iphdr *ip = at(p, p->l3);
	__s64 index;

	if (p->ethertype != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > p->data_end || ip->version != 4)
		return 0;
	index = pool_index_of(zone, ip->saddr);
	p->index = index;
	p->in_pools = index >= 0;
	return p->in_pools;
}

static __always_inline enum standing find_entry(__u32 index, struct account *a)
{
	a->index = index;
	a->session = session_at(index);
	return a->session ? judge_entry(a, a->session->expires_ns) : STRANGER;
}

static __always_inline enum standing find_key_account(const struct nx_key *key, struct account *a)
{
	const __u32 *index = bpf_map_lookup_elem(&keys, key);

	return index ? find_entry(*index, a) : STRANGER;
}

static __always_inline enum standing find_prefix_account(zone_constants zone,
							 const struct nx_flow *flow,
							 struct account *a)
{
	if (!in_ipv6_prefixes(zone, flow->client))
		return STRANGER;
#pragma unroll
	for (int i = 0; i < NX_MAX_KEY_LENGTHS; i++) {
		struct nx_key key = {};
		enum standing standing;

		if (i >= zone->key_length_count)
			break;
		address_key(&key, zone->zone, flow->client, zone->key_lengths[i]);
		standing = find_key_account(&key, a);
		if (standing != STRANGER)
			return standing;
	}
	return STRANGER;
}

static __always_inline enum standing find_mac_account(zone_constants zone, const struct packet *p,
						      struct account *a)
{
	struct nx_key key = { .zone = zone->zone, .kind = NX_KEY_MAC, .prefix_len = 48 };
	const struct ethhdr *eth = p->data;

	if ((void *)(eth + 1) > p->data_end)
		return STRANGER;
	__builtin_memcpy(key.addr, eth->h_source, ETH_ALEN);
	return find_key_account(&key, a);
}

static __always_inline enum standing find_line_account(zone_constants zone, const struct packet *p,
						       struct account *a)
{
	struct nx_key key = { .zone = zone->zone, .kind = NX_KEY_LINE, .prefix_len = 32 };
	__be16 tags[2] = { bpf_htons(p->vlan[0]), bpf_htons(p->vlan[1]) };

	__builtin_memcpy(key.addr, tags, sizeof(tags));
	return find_key_account(&key, a);
}

/* Notes that the address is used by a MAC or line session, for the way back: only if it may be used
 * from where the packet came, or a stolen MAC address would take up the session's addresses. */
static __always_inline void note_via(zone_constants zone, const struct nx_flow *flow,
				     const struct account *a)
{
	struct nx_via fresh = { .session = a->index }, *via_row;
	struct nx_key key = {};

	fresh.seen_s = clock.now_s;
	address_key(&key, zone->zone, flow->client, 128);
	via_row = bpf_map_lookup_elem(&via, &key);
	if (via_row && via_row->session == a->index) {
		via_row->seen_s = clock.now_s;
		return;
	}
	/* Not exact between CPUs; narthexd counts anew when it deletes what is stale. */
	if (a->session->addresses < NX_MAX_VIA && !bpf_map_update_elem(&via, &key, &fresh, BPF_ANY))
		a->session->addresses++;
}

/* Where an IPv4 sender has its entry: asked once, needed for its session, its zone and its limits. */
static __always_inline void find_pool_entry(zone_constants zone, struct packet *p)
{
	__s64 index = p->flow.ipv6 ? -1 : pool_index(zone, p->flow.client);

	if (index < 0)
		return;
	p->index = index;
	p->in_pools = 1;
}

/* Does a session authorise the client that sends the packet? */
static __always_inline enum standing find_sender(zone_constants zone, const struct packet *p,
						 struct account *a)
{
	enum standing standing =
		p->flow.ipv6 ? find_prefix_account(zone, &p->flow, a)
			     : find_pool_account(zone, p->in_pools ? session_at(p->index) : NULL,
						 p->index, a);

	if (standing != STRANGER || !zone->kinds || !is_client(zone, &p->flow, p->in_pools))
		return standing;
	if (zone->kinds & NX_KIND_MAC)
		standing = find_mac_account(zone, p, a);
	if (standing == STRANGER && zone->kinds & NX_KIND_LINE)
		standing = find_line_account(zone, p, a);
	a->by_via = standing != STRANGER;
	return standing;
}

static __always_inline enum standing find_pool_receiver(zone_constants zone,
							const struct nx_flow *flow,
							struct account *a)
{
	__s64 index = pool_index(zone, flow->client);

	if (index < 0)
		return STRANGER;
	a->index = index;
	if (!zone->bind && is_fast(index))
		return AUTHORISED;
	return find_pool_account(zone, session_at(index), index, a);
}

/* Does a session authorise the client that the packet is for? The flow's client is its receiver. */
static __always_inline enum standing find_receiver(zone_constants zone, const struct nx_flow *flow,
						   struct account *a)
{
	enum standing standing = flow->ipv6 ? find_prefix_account(zone, flow, a)
					    : find_pool_receiver(zone, flow, a);
	const struct nx_via *row;
	struct nx_key key = {};

	if (standing != STRANGER || !zone->kinds)
		return standing;
	address_key(&key, zone->zone, flow->client, 128);
	row = bpf_map_lookup_elem(&via, &key);
	return row ? find_entry(row->session, a) : STRANGER;
}

/*
 * Counts the packet on the account that authorised it, or says why it must not pass: the rate or
 * the quota. `down`: 0, or NX_LEDGER_DOWN.
 */
static __always_inline enum nx_reason charge(struct account *a, __u32 down, const struct packet *p)
{
	enum nx_reason reason = UNDECIDED;

	if (a->allowance.limits) {

		reason = spend(&a->allowance, down, p, clock.now_s);
	}
	if (reason == UNDECIDED)
		note_packet(a->index, down, p->bytes);
	return reason;
}

#endif /* NARTHEX_BPF_ACCOUNT_H */
