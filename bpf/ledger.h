/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The accounts. Each is half a cache line somewhere in a large table; written for each packet it costs
 * a cache and a TLB miss. So packets are noted in a ledger of this CPU, which collects 64 runs of
 * packets and settles them together, when the misses overlap.
 */
#ifndef NARTHEX_BPF_LEDGER_H
#define NARTHEX_BPF_LEDGER_H

#include "zone.h"

/* Adds to a direction of an account; exactly one of those who add sees that it goes round. */
static __always_inline void add_traffic(__u64 *word, __u32 *rounds, __u64 more)
{
	__u32 round = nx_rounds(__sync_fetch_and_add(word, more), more);

	if (round)
		__sync_fetch_and_add(rounds, round);
}

/* Counts packets of an authorised client; several queues may share one session. `noted`: its index,
 * or that | NX_LEDGER_DOWN for packets to the client. */
static __always_inline void count_packets(__u32 noted, __u32 packets, __u64 bytes, __u32 now_s)
{
	struct nx_account *account = account_at(noted & ~NX_LEDGER_DOWN);

	if (!account)
		return;
	if (noted & NX_LEDGER_DOWN) {
		add_traffic(&account->down, &account->rounds_down, nx_traffic(packets, bytes));
		return;
	}
	add_traffic(&account->up, &account->rounds_up, nx_traffic(packets, bytes));
	if (!account->first_seen_s)
		account->first_seen_s = now_s;
	account->last_seen_s = now_s;
}

/*
 * Loads the line of each account that is about to be settled. An atomic add waits for its line and
 * holds up all that follows; plain loads do not, so their misses overlap and the adds find the lines
 * in the cache.
 */
__noinline int touch_accounts(__u32 count)
{
	__u32 zero = 0;
	const struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);

	if (!book)
		return 0;
	for (__u32 i = 0; i < NX_LEDGER_ENTRIES && i < count; i++) {
		const struct nx_account *account = account_at(book->entries[i].session & ~NX_LEDGER_DOWN);

		if (account)
			(void)*(volatile const __u64 *)&account->up;
	}
	return 0;
}

/* Moves what is in this CPU's ledger to the accounts; a function of its own for the verifier. */
__noinline int settle_ledger(__u32 count, __u32 now_s)
{
	__u32 zero = 0;
	struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);

	if (!book)
		return 0;
	touch_accounts(count);
	for (__u32 i = 0; i < NX_LEDGER_ENTRIES && i < count; i++) {
		const struct nx_ledger_entry *entry = &book->entries[i];

		count_packets(entry->session, entry->packets, entry->bytes, now_s);
	}
	book->count = 0;
	return 0;
}

/* `down`: 0, or NX_LEDGER_DOWN. */
static __always_inline void note_packet(__u32 index, __u32 down, __u32 bytes)
{
	__u32 zero = 0, count;
	struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);
	struct nx_ledger_entry *entry;

	if (!book)
		return;
	if (book->settling) {
		count_packets(index | down, 1, bytes, clock.now_s);
		return;
	}
	count = book->count;
	entry = &book->entries[(count - 1) & (NX_LEDGER_ENTRIES - 1)];
	if (count && entry->session == (index | down) && entry->packets < NX_LEDGER_RUN) {
		entry->packets++;
		entry->bytes += bytes;
		return;
	}
	entry = &book->entries[count & (NX_LEDGER_ENTRIES - 1)];
	entry->session = index | down;
	entry->packets = 1;
	entry->bytes = bytes;
	book->count = ++count;
	if (count < NX_LEDGER_ENTRIES)
		return;
	settle_ledger(count, clock.now_s);
}

#endif /* NARTHEX_BPF_LEDGER_H */
