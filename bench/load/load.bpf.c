/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs of the load generator. `client`, at the client's end of a link, is itself the TCP
 * client, in a closed loop, one frame a connection in flight:
 *
 *   SYN-ACK -> ACK and GET      response -> (with FIN) FIN and ACK      last ACK -> next SYN
 *
 * Each reply is made of the frame that it answers. Frames that come from a kernel's skb have
 * head room and almost no tail room, so they shrink and grow at the head only.
 * What is not of these connections passes to the kernel.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "load.h"

#define SYN_OPTION_BYTES 4

const volatile struct load_config config;
const volatile struct load_flow flow;
__u32 stopping; /* user space: begin no more connections */
__u64 flow_serial; /* packets of `push`; one CPU at a time */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LOAD_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct load_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOAD_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LOAD_RESPONSES_BYTES);
} responses SEC(".maps");

_Static_assert(sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr) == LOAD_HEADER_BYTES, "headers");

struct segment {
	__u32 client;
	__u16 port;
	__u32 seq;
	__u32 ack;
	__u8 flags; /* of TCP's 14th byte */
	__u16 payload_bytes;
	__u32 payload_sum;
};

enum { FIN = 1, SYN_FLAG = 2, PSH = 8, ACK = 16 };

static __always_inline void add(__u32 counter, __u64 count)
{
	__u64 *entry = bpf_map_lookup_elem(&counters, &counter);

	if (entry)
		*entry += count;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Sums of host-order 16-bit words: the result is in host order, too. */
static __always_inline __u64 words(__u32 value)
{
	return (value >> 16) + (value & 0xffff);
}

static __always_inline void fill_ip(struct iphdr *ip, __u32 client, __u16 bytes, __u8 protocol)
{
	__u64 sum = 0x4500 + (__u64)bytes + 0x4000 + (0x4000 | protocol) + words(client) + words(config.server);

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(bytes);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->check = bpf_htons(fold(sum));
	ip->saddr = bpf_htonl(client);
	ip->daddr = bpf_htonl(config.server);
}

static __always_inline void fill_ethernet(struct ethhdr *eth)
{
	/* Byte by byte: without `volatile` the compiler would take them for the zeros that they are
	 * until user space has set them. */
	for (int i = 0; i < ETH_ALEN; i++) {
		eth->h_dest[i] = config.gateway_mac[i];
		eth->h_source[i] = config.client_mac[i];
	}
	eth->h_proto = bpf_htons(ETH_P_IP);
}

/* Makes the frame at hand, whatever it holds, into that segment. `syn`: with an MSS option. */
static __always_inline int make(struct xdp_md *ctx, const struct segment *segment)
{
	const __u32 options = segment->flags == SYN_FLAG ? SYN_OPTION_BYTES : 0;
	const __u32 bytes = LOAD_HEADER_BYTES + options + segment->payload_bytes;
	int spare = (int)(ctx->data_end - ctx->data) - (int)bytes;
	struct ethhdr *eth;
	struct iphdr *ip;
	struct tcphdr *tcp;
	void *data_end;
	__u64 sum;

	if (spare && bpf_xdp_adjust_head(ctx, spare)) {
		add(LOAD_unmade, 1);
		return XDP_DROP;
	}
	eth = (void *)(long)ctx->data;
	ip = (void *)(eth + 1);
	tcp = (void *)(ip + 1);
	data_end = (void *)(long)ctx->data_end;
	if ((void *)(tcp + 1) > data_end)
		return XDP_DROP;
	fill_ethernet(eth);
	fill_ip(ip, segment->client, bytes - ETH_HLEN, IPPROTO_TCP);
	tcp->source = bpf_htons(segment->port);
	tcp->dest = bpf_htons(config.server_port);
	tcp->seq = bpf_htonl(segment->seq);
	tcp->ack_seq = bpf_htonl(segment->ack);
	((__u8 *)tcp)[12] = (5 + options / 4) << 4;
	((__u8 *)tcp)[13] = segment->flags;
	tcp->window = bpf_htons(65535);
	tcp->urg_ptr = 0;
	sum = words(segment->client) + words(config.server) + IPPROTO_TCP + bytes - ETH_HLEN - sizeof(struct iphdr);
	sum += segment->port + config.server_port + words(segment->seq) + words(segment->ack);
	sum += ((5 + options / 4) << 12 | segment->flags) + 65535 + segment->payload_sum;
	if (options) {
		__be16 *option = (void *)(tcp + 1);

		if ((void *)(option + 2) > data_end)
			return XDP_DROP;
		option[0] = bpf_htons(0x0204); /* MSS 1460 */
		option[1] = bpf_htons(1460);
		sum += 0x0204 + 1460;
	}
	tcp->check = bpf_htons(fold(sum));
	return XDP_TX;
}

/* The next connection of a slot. User space does the same for the first one (client.cc). */
static __always_inline int begin(struct xdp_md *ctx, struct load_slot *slot, __u32 index)
{
	struct segment syn = { .flags = SYN_FLAG };
	__u64 serial = slot->serial + 1;

	slot->state = LOAD_IDLE;
	slot->serial = serial;
	if (*(volatile __u32 *)&stopping || serial > config.last_serial)
		return XDP_DROP;
	slot->client = config.client_first +
		       (serial * config.slots + index) * config.client_stride % config.client_count;
	slot->port = LOAD_FIRST_PORT + index + config.slots * (serial % ((65536 - LOAD_FIRST_PORT) / config.slots));
	slot->isn = serial * LOAD_SEQUENCES;
	slot->bytes = 0;
	slot->wrong = 0;
	slot->state = LOAD_SYN_SENT;
	add(LOAD_begun, 1);
	syn.client = slot->client;
	syn.port = slot->port;
	syn.seq = slot->isn;
	return make(ctx, &syn);
}

static __always_inline int on_syn_ack(struct xdp_md *ctx, struct load_slot *slot, __u32 seq, __u32 ack)
{
	struct segment get = { .flags = PSH | ACK };
	int action;

	if (slot->state != LOAD_SYN_SENT || ack != slot->isn + 1) {
		add(LOAD_stray, 1);
		return XDP_DROP;
	}
	slot->heard = seq + 1;
	slot->state = LOAD_REQUEST_SENT;
	get.client = slot->client;
	get.port = slot->port;
	get.seq = slot->isn + 1;
	get.ack = slot->heard;
	get.payload_bytes = config.request_bytes;
	get.payload_sum = config.request_sum;
	action = make(ctx, &get);
	if (action == XDP_TX && bpf_xdp_store_bytes(ctx, LOAD_HEADER_BYTES, (void *)config.request, config.request_bytes))
		return XDP_DROP;
	return action;
}

static __always_inline void copy_segment(struct xdp_md *ctx)
{
	__u64 bytes = bpf_xdp_get_buff_len(ctx);
	struct load_segment *copy;

	copy = bpf_ringbuf_reserve(&responses, sizeof(*copy), 0);
	if (!copy) {
		add(LOAD_uncopied, 1);
		return;
	}
	copy->bytes = bytes;
	if (bytes == 0 || bytes > LOAD_MAX_FRAME_BYTES || bpf_xdp_load_bytes(ctx, 0, copy->frame, bytes)) {
		bpf_ringbuf_discard(copy, 0);
		add(LOAD_uncopied, 1);
		return;
	}
	bpf_ringbuf_submit(copy, 0);
}

/* "HTTP/1.1 511": the digits. */
static __always_inline __u32 has_status(const __u8 *payload, void *data_end)
{
	if (!config.status)
		return 1;
	if ((void *)(payload + 12) > data_end)
		return 0;
	return payload[9] == (config.status & 0xff) && payload[10] == (config.status >> 8 & 0xff) &&
	       payload[11] == (config.status >> 16 & 0xff);
}

static __always_inline int on_segment(struct xdp_md *ctx, struct load_slot *slot, __u32 index,
				      const struct tcphdr *tcp, const __u8 *payload, __u32 bytes)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct segment fin = { .flags = FIN | ACK };
	const __u32 end = slot->isn + 1 + config.request_bytes;

	if (slot->state == LOAD_FIN_SENT && !bytes && !tcp->fin && bpf_ntohl(tcp->ack_seq) == end + 1) {
		add(LOAD_completed, 1);
		add(LOAD_wrong, slot->wrong);
		return begin(ctx, slot, index);
	}
	if (!bytes && !tcp->fin)
		return XDP_DROP; /* an ACK on the way */
	if (slot->state != LOAD_REQUEST_SENT || bpf_ntohl(tcp->seq) != slot->heard) {
		add(LOAD_stray, 1);
		return XDP_DROP;
	}
	if (bytes && !slot->bytes && !has_status(payload, data_end))
		slot->wrong = 1;
	if (config.copy_responses)
		copy_segment(ctx);
	slot->bytes += bytes;
	slot->heard += bytes;
	add(LOAD_response_bytes, bytes);
	if (!tcp->fin)
		return XDP_DROP; /* the FIN will come */
	if (!slot->bytes)
		slot->wrong = 1;
	slot->heard++;
	slot->state = LOAD_FIN_SENT;
	fin.client = slot->client;
	fin.port = slot->port;
	fin.seq = end;
	fin.ack = slot->heard;
	return make(ctx, &fin);
}

/* A spoofed SYN in place of the frame at hand. */
static __always_inline int flood_syn(struct xdp_md *ctx)
{
	__u64 random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	struct segment syn = { .flags = SYN_FLAG };

	if (*(volatile __u32 *)&stopping)
		return XDP_DROP;
	syn.client = config.flood_first + (random & config.flood_mask);
	syn.port = LOAD_FIRST_PORT + (random >> 32) % (65536 - LOAD_FIRST_PORT);
	syn.seq = random >> 16;
	add(LOAD_flood_sent, 1);
	return make(ctx, &syn);
}

static __always_inline int on_flood(struct xdp_md *ctx, const struct tcphdr *tcp)
{
	add(tcp->syn && tcp->ack ? LOAD_flood_syn_acks : LOAD_flood_other, 1);
	return flood_syn(ctx);
}

SEC("xdp")
int client(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 address, port, index, header_bytes;
	struct load_slot *slot;

	if ((void *)(tcp + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP || ip->saddr != bpf_htonl(config.server) ||
	    tcp->source != bpf_htons(config.server_port))
		return XDP_PASS;
	address = bpf_ntohl(ip->daddr);
	port = bpf_ntohs(tcp->dest);
	if (config.flood_mask && (address & ~config.flood_mask) == config.flood_first)
		return on_flood(ctx, tcp);
	if (address - config.client_first >= config.client_count)
		return XDP_PASS;
	if (!config.slots || port < LOAD_FIRST_PORT)
		return XDP_DROP;
	index = (port - LOAD_FIRST_PORT) % config.slots;
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot || slot->client != address || slot->port != port || slot->state == LOAD_IDLE) {
		add(LOAD_stray, 1);
		return XDP_DROP;
	}
	if (tcp->rst) {
		add(LOAD_reset, 1);
		return begin(ctx, slot, index);
	}
	if (tcp->syn)
		return on_syn_ack(ctx, slot, bpf_ntohl(tcp->seq), bpf_ntohl(tcp->ack_seq));
	header_bytes = sizeof(struct iphdr) + tcp->doff * 4;
	return on_segment(ctx, slot, index, tcp, (__u8 *)ip + header_bytes,
			  bpf_ntohs(ip->tot_len) - header_bytes);
}

/* Run on live frames: the flood's beginning, or all of it. */
SEC("xdp")
int flood(struct xdp_md *ctx)
{
	return flood_syn(ctx);
}

/* The frame at hand as a packet of the flow's next client. It comes back as the last forwarder left
 * it, with other MAC addresses and TTL. */
static __always_inline int next_packet(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	__u64 serial = flow_serial++;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	fill_ethernet(eth);
	fill_ip(ip, flow.client_first + serial * flow.client_stride % flow.client_count,
		ctx->data_end - ctx->data - ETH_HLEN, IPPROTO_UDP);
	add(LOAD_pushed, 1);
	return XDP_TX;
}

static __always_inline int is_of_flow(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	return (void *)(udp + 1) <= (void *)(long)ctx->data_end && eth->h_proto == bpf_htons(ETH_P_IP) &&
	       ip->protocol == IPPROTO_UDP && udp->dest == bpf_htons(flow.port);
}

/* Run on live frames: one-way UDP of the flow's clients, in turn. */
SEC("xdp")
int push(struct xdp_md *ctx)
{
	return next_packet(ctx);
}

/* What has come round, by a link beside the gateway, goes on its way again, as another client's. */
SEC("xdp")
int turn(struct xdp_md *ctx)
{
	if (!is_of_flow(ctx))
		return XDP_PASS;
	add(LOAD_received, 1);
	if (*(volatile __u32 *)&stopping || next_packet(ctx) != XDP_TX)
		return XDP_DROP;
	/* Redirected, for an end without a program, as the kernel's own forwarding has it, would not be
	 * woken by XDP_TX. */
	return bpf_redirect(flow.redirect_to, 0);
}

/* At the far end: counts the flow, and ends it. */
SEC("xdp")
int sink(struct xdp_md *ctx)
{
	if (!is_of_flow(ctx))
		return XDP_PASS;
	add(LOAD_received, 1);
	return XDP_DROP;
}

/* The least that any forwarder does: the flow goes out of the other interface as it came. */
SEC("xdp")
int bounce(struct xdp_md *ctx)
{
	return !is_of_flow(ctx) ? XDP_PASS : bpf_redirect(flow.redirect_to, 0);
}

/* On veth, what the peer sends by XDP_TX is only received by an end that has a program. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char license_name[] SEC("license") = "Dual BSD/GPL";
