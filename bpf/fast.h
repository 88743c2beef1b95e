/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bitmaps that spare a look at an entry: of clients that pass without one, a cache, and of entries
 * that may hold a session; with the rules of abi.h. */
#ifndef NARTHEX_BPF_FAST_H
#define NARTHEX_BPF_FAST_H

#include "zone.h"

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

/* May the entry hold a session? */
static __always_inline int is_held(__u32 index)
{
	__u32 word = index / NX_FAST_BITS;
	const __u64 *bits = bpf_map_lookup_elem(&held, &word);

	return bits && *(const volatile __u64 *)bits & fast_bit(index);
}

/*
 * Sets the bit of an entry that authorises without conditions. narthexd writes the entry before
 * it clears the bit, so an entry that has got another end or limits since it was judged is seen
 * here, after the bit; and the word is due at once, so the sweep learns the entry's end.
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
	if (*(volatile __u64 *)&session->expires_ns != expires_ns ||
	    *(volatile __u32 *)&session->limits)
		__sync_fetch_and_and(bits, ~fast_bit(index));
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

#endif /* NARTHEX_BPF_FAST_H */
