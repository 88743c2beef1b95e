/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The accounts. An entry is a cache line somewhere in a large table; read for each packet it costs
 * a cache and a TLB miss. So the packets of fast clients are noted in a ledger of this CPU, which
 * collects 64 runs of packets and settles them together, when the misses overlap.
 */
#ifndef NARTHEX_BPF_LEDGER_H
#define NARTHEX_BPF_LEDGER_H

#include "zone.h"

/* Counts packets of an authorised client; several queues may share one session. `down`: 0, or
 * NX_LEDGER_DOWN for packets to the client. */
static __always_inline void count_packets(struct nx_session *session, __u32 down, __u32 packets,
					  __u64 bytes, __u32 now_s)
{
	if (down) {
		__sync_fetch_and_add(&session->packets_down, packets);
		__sync_fetch_and_add(&session->bytes_down, bytes);
		return;
	}
	__sync_fetch_and_add(&session->packets_up, packets);
	__sync_fetch_and_add(&session->bytes_up, bytes);
	if (!session->first_seen_s)
		session->first_seen_s = now_s;
	session->last_seen_s = now_s;
}

/*
 * Loads a line of each entry that is about to be settled. An atomic add waits for its line and
 * holds up all that follows; plain loads do not, so their misses overlap and the adds find the lines
 * in the cache.
 */
__noinline int touch_entries(__u32 tail, __u32 count)
{
	__u32 zero = 0;
	const struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);

	if (!book)
		return 0;
	for (__u32 i = 0; i < NX_LEDGER_ENTRIES && i < count; i++) {
		__u32 index = book->entries[(tail + i) & (NX_LEDGER_ENTRIES - 1)].session;
		const struct nx_session *session = session_at(index & ~NX_LEDGER_DOWN);

		if (session)
			(void)*(volatile const __u64 *)&session->expires_ns;
	}
	return 0;
}

/* Moves what is in this CPU's ledger to the entries; a function of its own for the verifier. */
__noinline int settle_ledger(__u32 now_s)
{
	__u32 zero = 0;
	struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);
	__u32 count;

	if (!book)
		return 0;
	count = book->head - book->tail;
	touch_entries(book->tail, count);
	for (__u32 i = 0; i < NX_LEDGER_ENTRIES && i < count; i++) {
		const struct nx_ledger_entry *entry =
			&book->entries[(book->tail + i) & (NX_LEDGER_ENTRIES - 1)];
		__u32 down = entry->session & NX_LEDGER_DOWN;
		struct nx_session *session = session_at(entry->session & ~NX_LEDGER_DOWN);

		if (session)
			count_packets(session, down, entry->packets, entry->bytes, now_s);
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
			count_packets(session, down, 1, bytes, clk->now_s);
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
		settle_ledger(clk->now_s);
}

#endif /* NARTHEX_BPF_LEDGER_H */
