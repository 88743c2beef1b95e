/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps of the access program. All but xsks_map and the program's own rodata are shared by
 * the interfaces of one instance; narthexd sizes `sessions`, `fast`, `fast_due` and `keys` before
 * loading and pins every map by its name.
 */
#ifndef NARTHEX_BPF_MAPS_H
#define NARTHEX_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Replaced by narthexd before loading; const volatile, so that the verifier knows the values
 * and removes what the configuration leaves off. */
const volatile struct nx_zone_config zone_config = {};
const volatile __u32 fast_words = 1; /* max_entries of `fast` and `fast_due` */

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
} fast SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} fast_due SEC(".maps");

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
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NX_MAX_GARDEN);
	__type(key, struct nx_garden_key);
	__type(value, struct nx_garden);
} garden SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_cookie_keys);
} cookie_keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");
_Static_assert(NX_REASON_COUNT <= 64, "counters too small");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NX_MAX_WORKERS);
	__type(key, __u32);
	__type(value, struct nx_worker);
} workers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NX_MAX_LIMITED);
	__type(key, __u8[16]);
	__type(value, struct nx_reply_limit);
} reply_limits SEC(".maps");

/* The coarse clock. Its timer ticks on while the map is pinned, whoever started it. */
struct nx_clock {
	struct bpf_timer timer;
	__u64 now_ns; /* CLOCK_BOOTTIME */
	__u64 slot;   /* nx_cookie_slot(now_ns) */
	__u32 swept;  /* word of `fast` where the next tick goes on */
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_clock);
} clock SEC(".maps");

/* AF_XDP sockets by receive queue. libxdp knows it by this name (DESIGN §2). */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, NX_MAX_QUEUES);
	__uint(key_size, 4);
	__uint(value_size, 4);
} xsks_map SEC(".maps");

/* Tells libxdp that an attached program of the name xsk_def_prog is one it may use as its own:
 * it looks for a variable of this name whose type carries the number. */
__uint(xsk_prog_version, 1) SEC("xdp_metadata");

#endif /* NARTHEX_BPF_MAPS_H */
