/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DHCP across a bridged zone, whose servers are on the other side: a client without a session gets by
 * its own address no more than the answer to what it has just asked. Answers to everybody (255.255.255.255,
 * link-local, multicast) come from the link alone and are like any other of its frames.
 */
#ifndef NARTHEX_BPF_DHCP_H
#define NARTHEX_BPF_DHCP_H

#include "zone.h"

#define BOOTP_XID_AT 4 /* RFC 2131 §2 */
#define DHCP6_ID_MASK bpf_htonl(0x00ffffff) /* RFC 8415 §8: a byte of type before it */

/* The transaction of a DHCP message behind UDP; -1: it is too short to have one. */
static __always_inline __s64 dhcp_transaction(const struct packet *p)
{
	const __u32 *id = at(p, p->l4 + sizeof(struct udphdr) + (p->flow.ipv6 ? 0 : BOOTP_XID_AT));

	if ((void *)(id + 1) > p->data_end)
		return -1;
	return p->flow.ipv6 ? *id & DHCP6_ID_MASK : *id;
}

static __always_inline void name_dhcp_client(struct nx_dhcp_client *client, const struct packet *p,
					     zone_constants zone, const __u8 *mac)
{
	__builtin_memcpy(client->mac, mac, ETH_ALEN);
	client->zone = zone->zone;
	client->ipv6 = p->flow.ipv6;
}

static __always_inline void note_dhcp_question(zone_constants zone, const struct packet *p)
{
	struct nx_dhcp_question question = {};
	__s64 transaction = dhcp_transaction(p);
	const struct ethhdr *eth = p->data;
	struct nx_dhcp_client client;

	if (transaction < 0 || (void *)(eth + 1) > p->data_end)
		return;
	question.id = transaction;
	question.at_s = clock.now_s;
	name_dhcp_client(&client, p, zone, eth->h_source);
	bpf_map_update_elem(&dhcp_asked, &client, &question, BPF_ANY);
}

/* Is it what the station that the frame goes to asked for? */
static __always_inline int is_dhcp_answer(zone_constants zone, const struct packet *p)
{
	const struct nx_dhcp_question *question;
	const struct ethhdr *eth = p->data;
	struct nx_dhcp_client client;

	if ((void *)(eth + 1) > p->data_end)
		return 0;
	name_dhcp_client(&client, p, zone, eth->h_dest);
	question = bpf_map_lookup_elem(&dhcp_asked, &client);
	return question && question->id == dhcp_transaction(p) &&
	       clock.now_s - question->at_s <= NX_DHCP_S;
}

#endif /* NARTHEX_BPF_DHCP_H */
