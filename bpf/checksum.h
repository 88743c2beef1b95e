/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internet checksums (RFC 1071) of what lies in a frame, as sums of its 32-bit words in network order. */
#ifndef NARTHEX_BPF_CHECKSUM_H
#define NARTHEX_BPF_CHECKSUM_H

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

#include "cookie.h"

/* Folds a sum of 32-bit words to 16 bits (RFC 1071). */
static __always_inline __u32 fold(__u64 sum)
{
	__u32 half;

	/* Added to itself with its halves swapped, a sum has its folded one in the upper half. */
	sum += sum << 32 | sum >> 32;
	half = sum >> 32;
	half += half << 16 | half >> 16;
	return half >> 16;
}

/*
 * Is a sum of 32-bit words, their own checksum among them, what it should be: 0 in one's complement? It
 * is if 65,535 divides it, and that is one multiplication with the inverse of 65,535 modulo 2^64, which
 * takes the multiples to 0 … 2^64 / 65,535 and everything else beyond. The words are not all 0.
 */
static __always_inline int sums_to_zero(__u64 sum)
{
	return sum * 0xfffeFFFEfffeFFFFull <= ~0ull / 0xffff;
}

/*
 * The checksum of words that sum to less than 2^36: ~fold(sum) in half the steps. It is what is missing to a
 * multiple of 65,535, modulo 65,535: times the reciprocal, rounded up, that is a fraction of 2^64, and that
 * fraction of 65,535 is the remainder. It is too large by at least 2^-25 of 1 and at most 2^-24, since
 * between 2^39 and 2^40 is multiplied; so neither it nor the 16 bits that are cut off change the result.
 */
static __always_inline __u16 checksum_of(__u64 sum)
{
	__u64 missing = (0xffffull << 24) - sum;

	return (missing * (~0ull / 0xffff + 1) >> 16) * 0xffff >> 48;
}

#define CUT_SHORT 0x10000u
#define MAX_TCP_OPTION_WORDS 10
#define MAX_SUMMED_PAIRS 512 /* of 32-bit words: more than XDP frames hold on any driver without fragments */

/*
 * Folded sum (RFC 1071) of `bytes` bytes of the frame from `offset`, or CUT_SHORT.
 * A function of its own, so that the verifier walks its loop once and not in each caller's state.
 */
__noinline __u32 sum_bytes(struct xdp_md *ctx, __u32 offset, __u32 bytes)
{
	void *data_end = (void *)(long)ctx->data_end;
	__u64 where = offset;
	__u32 tail = 0;
	__u64 sum = 0;
	__u64 *pair;
	__u32 *word;

	if (bytes > 8 * MAX_SUMMED_PAIRS)
		return CUT_SHORT;
	asm volatile("%0 &= 0xfff" : "+r"(where));
	pair = (void *)(long)ctx->data + where;
	for (__u32 i = 0; i < MAX_SUMMED_PAIRS && i < bytes / 8; i++) {
		asm volatile("" : "+r"(pair)); /* keeps clang from moving the bound to data_end */
		if ((void *)(pair + 1) > data_end)
			return CUT_SHORT;
		sum += (*pair & 0xffffffff) + (*pair >> 32);
		pair++;
	}
	word = (__u32 *)pair;
	if (bytes & 4) {
		if ((void *)(word + 1) > data_end)
			return CUT_SHORT;
		sum += *word;
	}
	if (bytes & 3) {
		__u64 rest = bytes - 1;

		/* 1 to 3: kernel 6.1 does not learn from the branch that it is not 0. */
		asm volatile("%0 &= 3\n\t%0 += 1" : "+r"(rest));
		if (bpf_xdp_load_bytes(ctx, offset + (bytes & ~3u), &tail, rest))
			return CUT_SHORT;
		sum += tail;
	}
	return fold(sum);
}

/* The sum of an IPv4 header without options. */
static __always_inline __u64 sum_plain_header(const struct iphdr *ip)
{
	const __u32 *words = (const __u32 *)ip;

	return (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
}

/* Both addresses' part of the pseudo header's sum. */
static __always_inline __u64 sum_addresses(const struct nx_flow *flow)
{
	const __u32 *client = (const __u32 *)flow->client;
	const __u32 *server = (const __u32 *)flow->server;
	__u64 sum = (__u64)client[3] + server[3];

	if (flow->ipv6)
		sum += (__u64)client[0] + client[1] + client[2] + server[0] + server[1] + server[2];
	return sum;
}

/*
 * Adds the options of a TCP header of `bytes` bytes to a sum, from the last one on: so one bound holds for
 * all of them, however many there are. 0: the header is cut short.
 */
static __always_inline int add_options(__u64 *sum, const void *header, const void *data_end, __u64 bytes)
{
	__u64 options = bytes - sizeof(struct tcphdr);
	const void *end;

	asm volatile("%0 &= 63" : "+r"(options)); /* at most 40: the verifier does not know */
	end = header + options;
	if (end + sizeof(struct tcphdr) > data_end)
		return 0;
#pragma unroll
	for (__u32 i = 1; i <= MAX_TCP_OPTION_WORDS; i++) {
		if (options < 4 * i)
			break;
		*sum += *(const __u32 *)(end + sizeof(struct tcphdr) - 4 * i);
	}
	return 1;
}

#endif /* NARTHEX_BPF_CHECKSUM_H */
