/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connection cookie: our initial sequence number, which proves that the sender of a later
 * segment has seen our SYN-ACK. SipHash-1-3 (Aumasson and Bernstein, 2012) over addresses,
 * ports, zone and time slot; the two lowest bits carry the client's MSS class. One round a word
 * and three at the end are enough here: an attacker sees 30 bits of each hash, the key lives four
 * minutes, and what a forged cookie draws is one response. 2-4 costs twice as much.
 *
 * It holds neither the client's initial sequence number nor ours, so it can be verified at any
 * later point of the connection: our sequence numbers never get further than
 * cookie + 1 + response + FIN.
 *
 * The same text is compiled for BPF and for C++; tests/bpf compares the two.
 */
#ifndef NARTHEX_BPF_COOKIE_H
#define NARTHEX_BPF_COOKIE_H

#include "abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* What the client can receive in one segment; two bits of the cookie. */
enum nx_mss_class {
	NX_MSS_TINY,	/* below 536: no response fits, never offered */
	NX_MSS_COMPACT, /* 536 and more */
	NX_MSS_FULL,	/* 1220 and more */
};
#define NX_MSS_CLASS_MASK 3u

/* One connection, seen from the client. */
struct nx_flow {
	__u8 client[16]; /* network order, v4-mapped for IPv4 */
	__u8 server[16];
	__u16 client_port; /* network order */
	__u16 server_port; /* network order */
	__u16 zone;
	__u16 ipv6; /* 1: IPv6, 0: IPv4 */
};
NX_ASSERT_SIZE(struct nx_flow, 40);

#define NX_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define NX_SIPROUND                                                                        \
	do {                                                                               \
		v0 += v1; v1 = NX_ROTL(v1, 13); v1 ^= v0; v0 = NX_ROTL(v0, 32);            \
		v2 += v3; v3 = NX_ROTL(v3, 16); v3 ^= v2;                                  \
		v0 += v3; v3 = NX_ROTL(v3, 21); v3 ^= v0;                                  \
		v2 += v1; v1 = NX_ROTL(v1, 17); v1 ^= v2; v2 = NX_ROTL(v2, 32);            \
	} while (0)

/* SipHash-1-3 of `count` little-endian words under a 128-bit key. */
static __always_inline __u64 nx_siphash(const __u64 key[2], const __u64 *words, int count)
{
	__u64 v0 = key[0] ^ 0x736f6d6570736575ull;
	__u64 v1 = key[1] ^ 0x646f72616e646f6dull;
	__u64 v2 = key[0] ^ 0x6c7967656e657261ull;
	__u64 v3 = key[1] ^ 0x7465646279746573ull;
	__u64 last = (__u64)(count * 8) << 56;

#pragma GCC unroll 8
	for (int i = 0; i < count; i++) {
		v3 ^= words[i];
		NX_SIPROUND;
		v0 ^= words[i];
	}
	v3 ^= last;
	NX_SIPROUND;
	v0 ^= last;
	v2 ^= 0xff;
	NX_SIPROUND;
	NX_SIPROUND;
	NX_SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

/* The time slot of a CLOCK_BOOTTIME instant. */
static __always_inline __u64 nx_cookie_slot(__u64 now_ns)
{
	return now_ns / NX_COOKIE_SLOT_NS;
}

/* The cookie of a flow in a time slot with the MSS class bits zero. */
static __always_inline __u32 nx_cookie_base(const struct nx_cookie_keys *keys,
					    const struct nx_flow *flow, __u64 slot)
{
	const __u64 *key = keys->key[slot & 3];
	__u64 words[5];
	/* Slots come round after 45 days, keys much sooner. */
	__u64 ends = (__u64)flow->client_port | (__u64)flow->server_port << 16 |
		     (__u64)flow->zone << 32 | (__u64)flow->ipv6 << 48 | slot << 49;

	if (!flow->ipv6) {
		__u32 client, server;

		__builtin_memcpy(&client, flow->client + 12, 4);
		__builtin_memcpy(&server, flow->server + 12, 4);
		words[0] = (__u64)client | (__u64)server << 32;
		words[1] = ends;
		return (__u32)nx_siphash(key, words, 2) & ~NX_MSS_CLASS_MASK;
	}
	__builtin_memcpy(words, flow->client, 16);
	__builtin_memcpy(words + 2, flow->server, 16);
	words[4] = ends;
	return (__u32)nx_siphash(key, words, 5) & ~NX_MSS_CLASS_MASK;
}

/* What an acknowledgement number says about a connection. */
enum nx_cookie_state {
	NX_COOKIE_INVALID,
	NX_COOKIE_START, /* acknowledges exactly our SYN-ACK: the request */
	NX_COOKIE_LATER, /* acknowledges some of the response, too */
};

/*
 * Judges the acknowledgement number of a segment (host order) in time slot `slot`: the slot
 * itself and the one before are valid. `mss_class` is set for NX_COOKIE_START only.
 */
static __always_inline enum nx_cookie_state nx_cookie_check(const struct nx_cookie_keys *keys,
							    const struct nx_flow *flow, __u64 slot,
							    __u32 ack, __u32 *mss_class)
{
#pragma GCC unroll 2
	for (int age = 0; age < 2; age++) {
		__u32 delta = ack - 1 - nx_cookie_base(keys, flow, slot - age);

		if (delta == NX_MSS_COMPACT || delta == NX_MSS_FULL) {
			*mss_class = delta;
			return NX_COOKIE_START;
		}
		if (delta > NX_MSS_CLASS_MASK &&
		    delta <= NX_MSS_CLASS_MASK + NX_FULL_RESPONSE_BYTES + 1)
			return NX_COOKIE_LATER;
	}
	return NX_COOKIE_INVALID;
}

#endif /* NARTHEX_BPF_COOKIE_H */
