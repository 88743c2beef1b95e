/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one client without a session may send or draw within one second.
 *
 * Each queue counts in its sieve first, in a bucket that clients share; what finds its bucket full for
 * the second is counted for the client alone: an IPv4 client's counts lie in its entry, IPv6 clients
 * share an LRU hash. The queues' buckets hold half the limit in equal parts (`sieved`), the client's
 * own count what one of them leaves. So a client whose packets come by one queue has its limit
 * exactly; one that is spread over all of them at most half as much again; and whoever shares its
 * bucket with others has never less than half, which tells it next to nothing about them. Two CPUs may
 * count one packet too few; they never count too many.
 */
#ifndef NARTHEX_BPF_BEFORE_LOGIN_H
#define NARTHEX_BPF_BEFORE_LOGIN_H

#include "access_maps.h"
#include "zone.h"

static __always_inline struct nx_before *before_login_of(const struct packet *p)
{
	struct nx_before fresh = {}, *before;
	const struct nx_flow *flow = &p->flow;
	struct nx_session *entry;
	struct nx_key key;

	if (!flow->ipv6)
		return p->in_pools && (entry = session_at(p->index)) ? &entry->before : NULL;
	/* Where sessions are prefixes, so are the counted. */
	address_key(&key, zone_config.zone, flow->client, shortest_key_length(&zone_config));
	before = bpf_map_lookup_elem(&before_login, &key);
	if (before)
		return before;
	bpf_map_update_elem(&before_login, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&before_login, &key);
}

/* Pool entries follow each other in the buckets, so small pools share none; kinds lie far apart. */
static __always_inline __u32 bucket_of(const struct packet *p, enum nx_before_login what)
{
	__u64 words[2], hash;

	if (!p->flow.ipv6)
		return p->index ^ what << (NX_SIEVE_BITS - 2);
	__builtin_memcpy(words, p->flow.client, sizeof(words));
	words[1] &= prefix_mask(shortest_key_length(&zone_config));
	hash = (words[0] ^ words[1] * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
	return hash >> (64 - NX_SIEVE_BITS) ^ what << (NX_SIEVE_BITS - 2);
}

/* Counts in the client's bucket, unless that is full for this second; 0 then. */
static __always_inline int sieve_allows(__u32 queue, const struct packet *p,
					enum nx_before_login what, __u32 now_s)
{
	__u32 bucket = bucket_of(p, what) & ((1 << NX_SIEVE_BITS) - 1);
	__u8 most = zone_config.sieved[what];
	__u16 second = now_s << 8, counted;
	struct nx_sieve *own;

	if (!most)
		return 0;
	own = bpf_map_lookup_elem(&sieve, &queue);
	if (!own)
		return 0;
	counted = own->buckets[bucket];
	if ((counted & 0xff00) != second)
		counted = second;
	if ((counted & 0xff) >= most)
		return 0;
	own->buckets[bucket] = counted + 1;
	return 1;
}

/* Counts, unless that would be more than the client may; 0 then. */
static __always_inline int before_login_allows(__u32 queue, const struct packet *p,
					       enum nx_before_login what, __u32 now_s)
{
	struct nx_before *before;
	__u16 second = now_s;

	if (sieve_allows(queue, p, what, now_s))
		return 1;
	before = before_login_of(p);
	if (!before)
		return 0;
	if (before->second != second) {
		before->second = second;
		__builtin_memset(before->counts, 0, sizeof(before->counts));
	}
	if (before->counts[what] >= zone_config.per_second[what] - zone_config.sieved[what])
		return 0;
	before->counts[what]++;
	return 1;
}

#endif /* NARTHEX_BPF_BEFORE_LOGIN_H */
