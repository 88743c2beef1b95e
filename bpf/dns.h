/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Queries of clients without a session. DNS is open before the login, so it is measured: so many
 * packets a second, and, if the zone says so, only questions with names as people have them, and
 * none from clients whose names narthexd takes for a tunnel (control/dns_score.h).
 */
#ifndef NARTHEX_BPF_DNS_H
#define NARTHEX_BPF_DNS_H

#include "before_login.h"
#include "dns_client.h"

#define MAX_QUERY_BYTES 512 /* of an orderly query: RFC 1035 §2.3.4; EDNS enlarges answers only */
#define MAX_LABELS 127
#define NO_NAME 0

/*
 * The name of a question at `offset` of the frame: its bytes as text << 8 | those of its longest
 * label, or NO_NAME if it does not end before `end`, is compressed or too long. The root has
 * length 1. Verified on its own.
 */
__noinline __u32 measure_name(struct xdp_md *ctx, __u32 offset, __u32 end)
{
	__u32 longest = 0, total = 0;

	for (int i = 0; i <= MAX_LABELS; i++) {
		__u8 length = 0;

		if (offset >= end || bpf_xdp_load_bytes(ctx, offset, &length, 1))
			return NO_NAME;
		if (!length)
			return (total ? total : 1) << 8 | longest;
		if (length > 63)
			return NO_NAME;
		if (length > longest)
			longest = length;
		total += length + 1;
		offset += length + 1;
		if (total > 254)
			return NO_NAME;
	}
	return NO_NAME;
}

/* One question, asked as RFC 1035 §4.1 has it, with a name within the zone's limits. */
static __always_inline int query_is_orderly(struct xdp_md *ctx, const struct packet *p,
					    const struct nx_dns_rules *rules)
{
	__u32 message = p->l4 + UDP_HEADER_BYTES;
	__u8 header[DNS_HEADER_BYTES];
	__u32 name;

	if (p->end - message > MAX_QUERY_BYTES || message + DNS_HEADER_BYTES > p->end ||
	    bpf_xdp_load_bytes(ctx, message, header, sizeof(header)))
		return 0;
	/* A query with opcode QUERY, one question, no answer. */
	if (header[2] & 0xf8 || header[4] || header[5] != 1 || header[6] || header[7])
		return 0;
	name = measure_name(ctx, message + DNS_HEADER_BYTES, p->end);
	/* The text is one byte shorter: its last dot is left out. */
	return name != NO_NAME && (name >> 8) - 1 <= rules->max_name &&
	       (name & 0xff) <= rules->max_label;
}

static __always_inline int is_offender(const struct nx_flow *flow)
{
	struct nx_key key = {};
	const __u32 *until_s;

	dns_client_key(&key, flow, shortest_key_length(&zone_config));
	until_s = bpf_map_lookup_elem(&dns_offenders, &key);
	return until_s && *until_s > clock.now_s;
}

/* Of a packet to a resolver, UDP or TCP. */
static __always_inline enum nx_reason judge_dns(struct xdp_md *ctx, const struct packet *p,
						const struct nx_dns_rules *rules)
{
	enum nx_reason reason;

	if (!before_login_allows(ctx->rx_queue_index, p, NX_BEFORE_DNS, clock.now_s))
		return NX_REASON_DNS_LIMITED;
	if (rules->discipline == NX_DNS_OFF)
		return NX_REASON_DNS;
	if (is_offender(&p->flow))
		reason = NX_REASON_DNS_TUNNEL;
	else if (p->protocol == IPPROTO_UDP && !query_is_orderly(ctx, p, rules))
		reason = NX_REASON_DNS_REFUSED;
	else
		return NX_REASON_DNS;
	return rules->discipline == NX_DNS_ENFORCE ? reason : NX_REASON_DNS_OBSERVED;
}

#endif /* NARTHEX_BPF_DNS_H */
