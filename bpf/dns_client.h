/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clients as the maps of DNS know them: an IPv6 client by the shortest prefix that its zone's
 * sessions have, as in `before_login`. */
#ifndef NARTHEX_BPF_DNS_CLIENT_H
#define NARTHEX_BPF_DNS_CLIENT_H

#include "zone.h"

#define UDP_HEADER_BYTES 8
#define DNS_HEADER_BYTES 12

static __always_inline void dns_client_key(struct nx_key *key, const struct nx_flow *flow,
					   __u8 ipv6_length)
{
	address_key(key, flow->zone, flow->client, flow->ipv6 ? ipv6_length : 128);
}

/* Does narthexd still read the answer that may have named the server? */
static __always_inline int answer_is_unread(zone_constants zone, const struct nx_flow *flow,
					    const struct nx_dns_rules *rules)
{
	const struct nx_unread *unread;
	struct nx_key key = {};

	if (!rules->learn)
		return 0;
	dns_client_key(&key, flow, shortest_key_length(zone));
	unread = bpf_map_lookup_elem(&dns_unread, &key);
	return unread && clock.now_ns - unread->at_ns < NX_UNREAD_NS;
}

#endif /* NARTHEX_BPF_DNS_CLIENT_H */
