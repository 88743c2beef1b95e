/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one client without a session may send or draw within one second. An IPv4 client's counts
 * lie in its entry, which the verdict has read already; IPv6 clients share an LRU hash. The
 * counts are the client's own: a common one would be a side channel. Two CPUs may count one
 * packet too few; they never count too many.
 */
#ifndef NARTHEX_BPF_BEFORE_LOGIN_H
#define NARTHEX_BPF_BEFORE_LOGIN_H

#include "access_maps.h"
#include "zone.h"

enum before_login_count {
	COUNT_SYN,
	COUNT_RST,
	COUNT_ICMP,
	COUNT_DNS,
};

static __always_inline struct nx_before *before_login_of(const struct packet *p)
{
	struct nx_before fresh = {}, *before;
	const struct nx_flow *flow = &p->flow;
	struct nx_key key;

	if (!flow->ipv6)
		return p->entry ? &p->entry->before : NULL;
	/* Where sessions are prefixes, so are the counted. */
	address_key(&key, zone_config.zone, flow->client, shortest_key_length(&zone_config));
	before = bpf_map_lookup_elem(&before_login, &key);
	if (before)
		return before;
	bpf_map_update_elem(&before_login, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&before_login, &key);
}

static __always_inline int below(__u8 *count, __u8 most)
{
	if (*count >= most)
		return 0;
	(*count)++;
	return 1;
}

/* Counts, unless that would be more than the client may; 0 then. */
static __always_inline int before_login_allows(const struct packet *p,
					       enum before_login_count what)
{
	struct nx_before *before = before_login_of(p);
	const struct nx_clock *clk = read_clock();
	__u16 second;

	if (!before || !clk)
		return 0;
	second = clk->now_s;
	if (before->second != second) {
		before->second = second;
		before->syn = before->rst = before->icmp = before->dns = 0;
	}
	switch (what) {
	case COUNT_SYN:
		return below(&before->syn, zone_config.syn_per_second);
	case COUNT_RST:
		return below(&before->rst, zone_config.rst_per_second);
	case COUNT_ICMP:
		return below(&before->icmp, zone_config.icmp_per_second);
	case COUNT_DNS:
		return below(&before->dns, zone_config.dns_per_second);
	}
	return 0;
}

#endif /* NARTHEX_BPF_BEFORE_LOGIN_H */
