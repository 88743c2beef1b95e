/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is authorised, and the account of what they send.
 *
 *   fast bit set ── note in the CPU's ledger ──────────────► pass      (no cache miss)
 *   fast bit clear ── session entry: valid? ── count there ─► pass, and set the bit if the entry
 *                                  └─ no ──► unauthorised             has no conditions
 *
 * An entry is a cache line somewhere in a large table; read for each packet it costs a cache and
 * a TLB miss. The ledger collects 64 runs of packets and settles them together, when the misses
 * overlap.
 */
#ifndef NARTHEX_BPF_ACCOUNT_H
#define NARTHEX_BPF_ACCOUNT_H

#include "zone.h"

static __always_inline struct nx_clock *read_clock(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&clock, &zero);
}

/* Counts packets of an authorised client; several queues may share one session. `down`: 0, or
 * NX_LEDGER_DOWN for packets to the client. */
static __always_inline void count_packets(struct nx_session *session, __u32 down, __u32 packets,
					  __u64 bytes, __u64 now_ns)
{
	if (down) {
		__sync_fetch_and_add(&session->packets_down, packets);
		__sync_fetch_and_add(&session->bytes_down, bytes);
		return;
	}
	__sync_fetch_and_add(&session->packets_up, packets);
	__sync_fetch_and_add(&session->bytes_up, bytes);
	if (!session->first_seen_ns)
		session->first_seen_ns = now_ns;
	session->last_seen_ns = now_ns;
}

/* Moves what is in this CPU's ledger to the entries; a function of its own for the verifier. */
__noinline int settle_ledger(__u64 now_ns)
{
	__u32 zero = 0;
	struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);
	__u32 count;

	if (!book)
		return 0;
	count = book->head - book->tail;
	for (__u32 i = 0; i < NX_LEDGER_ENTRIES && i < count; i++) {
		const struct nx_ledger_entry *entry =
			&book->entries[(book->tail + i) & (NX_LEDGER_ENTRIES - 1)];
		__u32 down = entry->session & NX_LEDGER_DOWN;
		struct nx_session *session = session_at(entry->session & ~NX_LEDGER_DOWN);

		if (session)
			count_packets(session, down, entry->packets, entry->bytes, now_ns);
	}
	book->tail += count;
	return count;
}

static __always_inline void note_packet(__u32 index, __u32 down, __u32 bytes)
{
	__u32 zero = 0;
	struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);
	struct nx_ledger_entry *entry;
	struct nx_clock *clk;

	if (!book)
		return;
	if (book->settling) {
		struct nx_session *session = session_at(index);

		clk = read_clock();
		if (session && clk)
			count_packets(session, down, 1, bytes, clk->now_ns);
		return;
	}
	entry = &book->entries[(book->head - 1) & (NX_LEDGER_ENTRIES - 1)];
	if (book->head != book->tail && entry->session == (index | down) && entry->packets < NX_LEDGER_RUN) {
		entry->packets++;
		entry->bytes += bytes;
		return;
	}
	entry = &book->entries[book->head & (NX_LEDGER_ENTRIES - 1)];
	entry->session = index | down;
	entry->packets = 1;
	entry->bytes = bytes;
	book->head++;
	if (book->head - book->tail < NX_LEDGER_BATCH)
		return;
	clk = read_clock();
	if (clk)
		settle_ledger(clk->now_ns);
}

static __always_inline __u64 fast_bit(__u32 index)
{
	return 1ull << (index % NX_FAST_BITS);
}

static __always_inline int is_fast(__u32 index)
{
	__u32 word = index / NX_FAST_BITS;
	__u64 *bits = bpf_map_lookup_elem(&fast, &word);

	return bits && *bits & fast_bit(index);
}

/*
 * Sets the bit of an entry that authorises without conditions. narthexd writes the entry before
 * it clears the bit, so an entry that has changed since it was judged is seen here, after the
 * bit; and the word is due at once, so the sweep learns the entry's end.
 */
static __always_inline void remember_fast(__u32 index, struct nx_session *session, __u64 expires_ns)
{
	__u32 word = index / NX_FAST_BITS;
	__u64 *bits = bpf_map_lookup_elem(&fast, &word);
	__u64 *due = bpf_map_lookup_elem(&fast_due, &word);

	if (!bits || !due)
		return;
	__sync_fetch_and_or(bits, fast_bit(index));
	*(volatile __u64 *)due = 0;
	if (*(volatile __u64 *)&session->expires_ns != expires_ns)
		__sync_fetch_and_and(bits, ~fast_bit(index));
}

enum standing {
	STRANGER,
	AUTHORISED,
	FRESH, /* authorised less than NX_STICKY_S ago: narthex may still own connections of it */
};

/* What an entry says of a packet now. */
static __always_inline enum standing judge_entry(const struct nx_session *session, __u64 expires_ns)
{
	const struct nx_clock *clk = read_clock();

	if (!expires_ns || !clk || expires_ns <= clk->now_ns)
		return STRANGER;
	/* The clock may lag a tick behind the login. */
	if (session->begun_s && clk->now_ns / 1000000000 < (__u64)session->begun_s + NX_STICKY_S)
		return FRESH;
	return AUTHORISED;
}

/*
 * A client's entry in `sessions`. `fast` says that it need not be read: no conditions, and no
 * connection of before the login can be left.
 */
struct account {
	struct nx_session *session;
	__u32 index;
	int fast;
};

static __always_inline enum standing find_pool_account(zone_constants zone,
							       const struct nx_flow *flow,
							       struct account *a)
{
	__s64 index = pool_index(zone, flow->client);
	enum standing standing;
	__u64 expires_ns;

	if (index < 0)
		return STRANGER;
	a->index = index;
	a->fast = is_fast(index);
	if (a->fast)
		return AUTHORISED;
	a->session = session_at(index);
	if (!a->session)
		return STRANGER;
	expires_ns = *(volatile __u64 *)&a->session->expires_ns;
	standing = judge_entry(a->session, expires_ns);
	if (standing == AUTHORISED && !a->session->policy)
		remember_fast(index, a->session, expires_ns);
	return standing;
}

static __always_inline enum standing find_key_account(zone_constants zone,
							      const struct nx_flow *flow,
							      struct account *a)
{
	struct nx_key key = { .zone = zone->zone, .kind = NX_KEY_ADDRESS, .prefix_len = 128 };
	__u32 *index;

	if (!in_ipv6_prefixes(zone, flow->client))
		return STRANGER;
	__builtin_memcpy(key.addr, flow->client, 16);
	index = bpf_map_lookup_elem(&keys, &key);
	if (!index)
		return STRANGER;
	a->session = session_at(*index);
	return a->session ? judge_entry(a->session, a->session->expires_ns) : STRANGER;
}

/* Does a session authorise the flow's client? */
static __always_inline enum standing find_account(zone_constants zone, const struct nx_flow *flow,
						  struct account *a)
{
	return flow->ipv6 ? find_key_account(zone, flow, a) : find_pool_account(zone, flow, a);
}

/* Counts the packet on the account that authorised it. */
static __always_inline void charge(const struct account *a, __u32 down, __u32 bytes)
{
	const struct nx_clock *clk;

	if (a->fast) {
		note_packet(a->index, down, bytes);
		return;
	}
	clk = read_clock();
	if (clk && a->session)
		count_packets(a->session, down, 1, bytes, clk->now_ns);
}

/*
 * One word of `fast`: clears the bits whose time is up, and finds when the next one's is. The
 * classifier may set a bit meanwhile; it then writes 0 to the due time, and the exchange fails.
 */
__noinline int sweep_word(__u32 word, __u64 now_ns)
{
	__u64 *bits = bpf_map_lookup_elem(&fast, &word);
	__u64 *due = bpf_map_lookup_elem(&fast_due, &word);
	__u64 earliest = ~0ull;

	if (!bits || !due || !*bits || *due > now_ns)
		return 0;
	__sync_lock_test_and_set(due, ~0ull); /* a barrier, too: the bits are read after it */
	for (__u32 i = 0; i < NX_FAST_BITS; i++) {
		struct nx_session *session;
		__u64 expires_ns;

		if (!(*(volatile __u64 *)bits & 1ull << i))
			continue;
		session = session_at(word * NX_FAST_BITS + i);
		expires_ns = session ? *(volatile __u64 *)&session->expires_ns : 0;
		if (expires_ns <= now_ns)
			__sync_fetch_and_and(bits, ~(1ull << i));
		else if (expires_ns < earliest)
			earliest = expires_ns;
	}
	__sync_val_compare_and_swap(due, ~0ull, earliest);
	return 0;
}

#endif /* NARTHEX_BPF_ACCOUNT_H */
