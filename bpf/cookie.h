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
/* SipHash-1-3 under a 128-bit key, in its steps. */
struct nx_sip {
	__u64 v0, v1, v2, v3;
};

static __always_inline void nx_sip_round(struct nx_sip *s)
{
	s->v0 += s->v1; s->v1 = NX_ROTL(s->v1, 13); s->v1 ^= s->v0; s->v0 = NX_ROTL(s->v0, 32);
	s->v2 += s->v3; s->v3 = NX_ROTL(s->v3, 16); s->v3 ^= s->v2;
	s->v0 += s->v3; s->v3 = NX_ROTL(s->v3, 21); s->v3 ^= s->v0;
	s->v2 += s->v1; s->v1 = NX_ROTL(s->v1, 17); s->v1 ^= s->v2; s->v2 = NX_ROTL(s->v2, 32);
}

static __always_inline struct nx_sip nx_sip_begin(const __u64 key[2])
{
	struct nx_sip s = { key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
			    key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull };

	return s;
}

static __always_inline void nx_sip_absorb(struct nx_sip *s, __u64 word)
{
	s->v3 ^= word;
	nx_sip_round(s);
	s->v0 ^= word;
}

/* `last`: the up to 7 bytes that are left, with the length of the message in the highest byte. */
static __always_inline __u64 nx_sip_end(struct nx_sip *s, __u64 last)
{
	nx_sip_absorb(s, last);
	s->v2 ^= 0xff;
	nx_sip_round(s);
	nx_sip_round(s);
	nx_sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Of `count` little-endian words. */
static __always_inline __u64 nx_siphash(const __u64 key[2], const __u64 *words, int count)
{
	struct nx_sip s = nx_sip_begin(key);

	for (int i = 0; i < count; i++)
		nx_sip_absorb(&s, words[i]);
	return nx_sip_end(&s, (__u64)(count * 8) << 56);
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
	struct nx_sip s = nx_sip_begin(keys->key[slot & 3]);
	/* Seven bytes: zones have small numbers; slots come round after 91 days, keys much sooner. */
	__u64 ends = (__u64)flow->client_port | (__u64)flow->server_port << 16 |
		     (__u64)(flow->zone & 0xff) << 32 | (slot & 0xffff) << 40;
	__u64 words[4];

	if (!flow->ipv6) {
		__u32 client, server;

		__builtin_memcpy(&client, flow->client + 12, 4);
		__builtin_memcpy(&server, flow->server + 12, 4);
		nx_sip_absorb(&s, (__u64)client | (__u64)server << 32);
		return (__u32)nx_sip_end(&s, ends | 15ull << 56) & ~NX_MSS_CLASS_MASK;
	}
	__builtin_memcpy(words, flow->client, 16);
	__builtin_memcpy(words + 2, flow->server, 16);
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		nx_sip_absorb(&s, words[i]);
	return (__u32)nx_sip_end(&s, ends | 39ull << 56) & ~NX_MSS_CLASS_MASK;
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
