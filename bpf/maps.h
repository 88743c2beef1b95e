/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that the programs of all interfaces share. narthexd sizes `sessions`, `traffic_up`,
 * `traffic_down`, `accounts`, `fast`, `fast_due`, `held`, `keys`, `limits`, `places` and `via` before
 * loading and pins every map by its name.
 */
#ifndef NARTHEX_BPF_MAPS_H
#define NARTHEX_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_session);
} sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} traffic_up SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} traffic_down SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_account);
} accounts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} fast SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} fast_due SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} held SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_ledger);
} ledger SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct nx_key);
	__type(value, __u32);
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct nx_key);
	__type(value, struct nx_via);
} via SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_limits);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NX_MAX_POLICIES);
	__type(key, __u32);
	__type(value, struct nx_policy);
} policies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_place);
} places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, NX_EVENT_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NX_MAX_GARDEN);
	__type(key, struct nx_garden_key);
	__type(value, struct nx_garden);
} garden SEC(".maps");

/*
 * A bit for each IPv4 /16, the lowest of a word for the first of 64: 0 if neither `garden` nor `learned`
 * has anything in it for any zone, so that most servers are looked for in neither. narthexd sets a bit
 * before it writes there, and clears bits when it starts only.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NX_GARDEN_BLOCKS / 64);
	__type(key, __u32);
	__type(value, __u64);
} garden_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NX_MAX_LEARNED);
	__type(key, struct nx_key);
	__type(value, struct nx_learned);
} learned SEC(".maps");

struct nx_dns_rules dns_rules[NX_DNS_ROWS] SEC(".data.dns_rules");
_Static_assert(NX_DNS_ROWS > NX_MAX_ZONES, "zones would share their rules");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, NX_ANSWER_RING_BYTES);
} dns_answers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NX_MAX_UNREAD);
	__type(key, struct nx_key);
	__type(value, struct nx_unread);
} dns_unread SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NX_MAX_OFFENDERS);
	__type(key, struct nx_key);
	__type(value, __u32);
} dns_offenders SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NX_MAX_DHCP);
	__type(key, struct nx_dhcp_client);
	__type(value, struct nx_dhcp_question);
} dhcp_asked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");
_Static_assert(NX_REASON_COUNT <= 64, "counters too small");

/*
 * A variable in a section of its own is a map for libbpf, shared and pinned like the others, which programs read
 * without looking it up.
 */
struct nx_clock clock SEC(".data.clock");

/* The clock's timer, which ticks on while the map is pinned, whoever started it. */
struct nx_ticker {
	struct bpf_timer timer;
	__u32 swept; /* word of `fast` where the next tick goes on */
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_ticker);
} ticker SEC(".maps");

#endif /* NARTHEX_BPF_MAPS_H */
