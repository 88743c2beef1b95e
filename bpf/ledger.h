/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The accounts. What a client has sent is a word somewhere in a large table; written for each packet it
 * costs a cache and a TLB miss. So packets are noted in a ledger of this CPU, which collects 64 runs of
 * packets and settles them together, when the misses overlap.
 */
#ifndef NARTHEX_BPF_LEDGER_H
#define NARTHEX_BPF_LEDGER_H

#include "zone.h"

/* Where the packets of an entry are counted. `noted`: an index, or that | NX_LEDGER_DOWN. */
static __always_inline __u64 *traffic_at(__u32 noted)
{
	__u32 index = noted & ~NX_LEDGER_DOWN;
	__u64 *word;

	if (!(noted & NX_LEDGER_DOWN))
		return bpf_map_lookup_elem(&traffic_up, &index);
	word = bpf_map_lookup_elem(&traffic_down, &index);
	/* Or clang makes one call of two, which then is a call indeed, for no map is known in it. */
	asm volatile("" : "+r"(word));
	return word;
}

/* Counts packets of an authorised client; several queues may share one session. Exactly one of those
 * who add to a word sees that it goes round. */
static __always_inline void count_packets(__u32 noted, __u32 packets, __u64 bytes)
{
	__u64 more = nx_traffic(packets, bytes), *word = traffic_at(noted);
	__u32 round, index = noted & ~NX_LEDGER_DOWN;
	struct nx_account *account;

	if (!word)
		return;
	round = nx_rounds(__sync_fetch_and_add(word, more), more);
	if (!round)
		return;
	account = bpf_map_lookup_elem(&accounts, &index);
	if (account)
		__sync_fetch_and_add(noted & NX_LEDGER_DOWN ? &account->rounds_down : &account->rounds_up, round);
}

/*
 * Loads the line of each word that is about to be settled. An atomic add waits for its line and
 * holds up all that follows; plain loads do not, so their misses overlap and the adds find the lines
 * in the cache.
 */
__noinline int touch_traffic(__u32 count)
{
	__u32 zero = 0;
	const struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);

	if (!book)
		return 0;
	for (__u32 i = 0; i < NX_LEDGER_ENTRIES && i < count; i++) {
		const __u64 *word = traffic_at(book->entries[i].session);

		if (word)
			(void)*(const volatile __u64 *)word;
	}
	return 0;
}

/* Moves what is in this CPU's ledger to the accounts; a function of its own for the verifier. */
__noinline int settle_ledger(__u32 count)
{
	__u32 zero = 0;
	struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);

	if (!book)
		return 0;
	touch_traffic(count);
	for (__u32 i = 0; i < NX_LEDGER_ENTRIES && i < count; i++) {
		const struct nx_ledger_entry *entry = &book->entries[i];

		count_packets(entry->session, entry->packets, entry->bytes);
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
		count_packets(index | down, 1, bytes);
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
	settle_ledger(count);
}

#endif /* NARTHEX_BPF_LEDGER_H */
