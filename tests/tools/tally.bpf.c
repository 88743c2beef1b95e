/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts at the client's end of a veth what a gateway answers to a flood, and passes it on.
 * The flood's addresses are 100 and more in the last byte (IPv4) or have something in the seventh
 * group (IPv6); ordinary clients share the link and are not counted.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum tally_kind {
	SYN_ACK,
	RST,
	ACK,
	DATA,
	OTHER,
	KINDS
};

struct tally {
	__u64 packets;
	__u64 bytes; /* of frames, Ethernet header included */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KINDS);
	__type(key, __u32);
	__type(value, struct tally);
} tally SEC(".maps");

static __always_inline __u32 kind_of(const struct tcphdr *tcp, void *data_end, int bytes)
{
	if ((void *)(tcp + 1) > data_end)
		return OTHER;
	if (bytes > tcp->doff * 4)
		return DATA;
	if (tcp->rst)
		return RST;
	if (tcp->syn)
		return SYN_ACK;
	return tcp->ack ? ACK : OTHER;
}

static __always_inline int classify(void *data, void *data_end)
{
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > data_end)
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end || bpf_ntohl(ip->daddr) % 256 < 100)
			return -1;
		if (ip->protocol != IPPROTO_TCP)
			return OTHER;
		return kind_of((void *)(ip + 1), data_end, bpf_ntohs(ip->tot_len) - 20);
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end || !ip->daddr.s6_addr16[6])
			return -1;
		if (ip->nexthdr != IPPROTO_TCP)
			return OTHER;
		return kind_of((void *)(ip + 1), data_end, bpf_ntohs(ip->payload_len));
	}
	return -1;
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	int kind = classify(data, data_end);
	__u32 index = kind;
	struct tally *entry;

	if (kind < 0)
		return XDP_PASS;
	entry = bpf_map_lookup_elem(&tally, &index);
	if (entry) {
		entry->packets++;
		entry->bytes += data_end - data;
	}
	return XDP_PASS;
}

char license_name[] SEC("license") = "Dual BSD/GPL";
