/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers of the configured resolvers to clients without a session: copied for narthexd, which
 * learns the garden's addresses from them; the packet itself is not delayed. Only the uplink asks
 * this, so nothing that a client sends can teach.
 */
#ifndef NARTHEX_BPF_DNS_ANSWER_H
#define NARTHEX_BPF_DNS_ANSWER_H

#include "dns_client.h"

/* The client's connections wait until it is read (answer_is_unread). */
static __always_inline void copy_answer(struct xdp_md *ctx, zone_constants zone,
					const struct packet *p, struct nx_dns_rules *rules)
{
	__u32 message = p->l4 + UDP_HEADER_BYTES;
	__u64 bytes = p->end - message, copied;
	struct nx_unread unread = {};
	struct nx_dns_answer *answer;
	struct nx_key client = {};

	if (bytes < DNS_HEADER_BYTES)
		return;
	answer = bpf_ringbuf_reserve(&dns_answers, sizeof(*answer), 0);
	if (!answer) {
		__sync_fetch_and_add(&rules->lost, 1);
		return;
	}
	copied = bytes < NX_MAX_ANSWER_BYTES ? bytes : NX_MAX_ANSWER_BYTES;
	copied--;
	/* 1 to NX_MAX_ANSWER_BYTES for the verifier: kernel 6.1 does not carry the bounds over. */
	asm volatile("%0 &= 0x7ff" : "+r"(copied));
	if (copied >= NX_MAX_ANSWER_BYTES ||
	    bpf_xdp_load_bytes(ctx, message, answer->message, copied + 1)) {
		bpf_ringbuf_discard(answer, 0);
		return;
	}
	unread.at_ns = clock.now_ns;
	unread.number = bpf_get_prandom_u32();
	dns_client_key(&client, &p->flow, shortest_key_length(zone));
	answer->client = client;
	answer->at_ns = bpf_ktime_get_boot_ns();
	answer->number = unread.number;
	answer->bytes = bytes;
	answer->client_port = bpf_ntohs(p->flow.client_port);
	answer->zero = 0;
	if (rules->learn)
		bpf_map_update_elem(&dns_unread, &client, &unread, BPF_ANY);
	bpf_ringbuf_submit(answer, 0);
}

static __always_inline enum nx_reason judge_answer(struct xdp_md *ctx, zone_constants zone,
						   const struct packet *p)
{
	struct nx_dns_rules *rules = dns_rules_of(zone->zone);

	if (p->protocol != IPPROTO_UDP)
		return NX_REASON_DOWNLINK_DNS;
	if (rules->learn || rules->discipline != NX_DNS_OFF)
		copy_answer(ctx, zone, p, rules);
	if (rules->discipline == NX_DNS_OFF ||
	    p->end - p->l4 - UDP_HEADER_BYTES <= rules->max_answer)
		return NX_REASON_DOWNLINK_DNS;
	return rules->discipline == NX_DNS_ENFORCE ? NX_REASON_DOWNLINK_DNS_TOO_LARGE
						   : NX_REASON_DOWNLINK_DNS_OBSERVED;
}

#endif /* NARTHEX_BPF_DNS_ANSWER_H */
