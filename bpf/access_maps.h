/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What only the access program has. All but xsks_map, sieve and its rodata are shared by the access
 * interfaces of one instance.
 */
#ifndef NARTHEX_BPF_ACCESS_MAPS_H
#define NARTHEX_BPF_ACCESS_MAPS_H

#include "maps.h"

/* Replaced by narthexd before loading; const volatile, so that the verifier knows the values
 * and removes what the configuration leaves off. */
const volatile struct nx_zone_config zone_config = {};
const volatile struct nx_others others = {};
const volatile __u8 vlan_dispatch = NX_VLAN_NONE; /* enum nx_vlan_dispatch */
const volatile __u32 fast_words = 1; /* max_entries of `fast` and `fast_due` */

struct nx_cookie_keys cookie_keys SEC(".data.cookie_keys");

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
	__type(key, struct nx_key);
	__type(value, struct nx_before);
} before_login SEC(".maps");

/* As many as the interface has queues. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nx_sieve);
} sieve SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NX_MAX_ELSEWHERE);
	__type(key, __u32);
	__type(value, __u32);
} elsewhere SEC(".maps");

/* Programs of the zones that this interface has by VLAN; with the attached program alone. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NX_VLANS);
	__type(key, __u32);
	__type(value, __u32);
} vlan_zones SEC(".maps");

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

#endif /* NARTHEX_BPF_ACCESS_MAPS_H */
