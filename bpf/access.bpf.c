/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The classifier of one access interface: the verdict on every packet that a client sends.
 * The name of the entry function, of xsks_map and of the metadata make libxdp take this program
 * for its default one and only add its socket to the map (DESIGN §2).
 */
#include "account.h"
#include "classify.h"
#include "dhcp.h"
#include "elsewhere.h"
#include "forward_up.h"

static __always_inline enum nx_reason classify(struct xdp_md *ctx, struct packet *p,
					       struct reply *reply)
{
	enum nx_reason reason = parse_ethernet(p);
	struct account account = {};
	enum standing standing;

	if (reason != PARSED)
		return reason;
	if (p->ethertype == bpf_htons(ETH_P_ARP))
		return NX_REASON_ARP;
	reason = parse_addresses(p);
	if (reason != PARSED)
		return reason;
	find_pool_entry(&zone_config, p);
	standing = find_sender(&zone_config, p, &account);
	if (standing != STRANGER && zone_config.bind && !place_allows(&zone_config, p, account.index))
		return NX_REASON_BINDING;
	if (account.by_via)
		note_via(&zone_config, &p->flow, &account);
	if (standing == FRESH) {
		reason = judge_sticky(ctx, p, reply);
		if (reason != UNDECIDED)
			return reason;
	}
	if (standing != STRANGER) {
		reason = charge(&account, 0, p);
		return reason == UNDECIDED ? NX_REASON_AUTHORISED : reason;
	}
	if (zone_config.mode == NX_MODE_BYPASS)
		return NX_REASON_MODE_BYPASS;
	reason = parse_and_judge(ctx, p, reply);
	if (zone_config.forwarding == NX_FORWARD_BRIDGE && reason == NX_REASON_DHCP)
		note_dhcp_question(&zone_config, p);
	watch_others(p, reason);
	return reason;
}

static __always_inline int to_worker(struct xdp_md *ctx)
{
	int action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);

	count(action == XDP_REDIRECT ? NX_REASON_REQUEST : NX_REASON_WORKER_MISSING);
	return action;
}

/* Goes on in the program of the VLAN's zone, if there is one, and does not return. */
static __always_inline void enter_vlan_zone(struct xdp_md *ctx)
{
	struct packet p = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};

	if (parse_ethernet(&p) == PARSED && p.vlan[0])
		bpf_tail_call(ctx, &vlan_zones, p.vlan[0]);
}

static __always_inline int act(struct xdp_md *ctx, const struct packet *p,
			       const struct reply *reply, enum nx_reason reason)
{
	enum nx_verdict verdict = verdict_of(reason);

	if (verdict != NX_PASS && zone_config.mode != NX_MODE_ENFORCE) {
		/* Counted as what it would have been, and passed. */
		count(reason);
		return pass_up(ctx, p->l3, zone_config.mode == NX_MODE_MONITOR ? NX_REASON_MODE_MONITOR
										: NX_REASON_MODE_BYPASS);
	}
	if (verdict == NX_PASS)
		return pass_up(ctx, p->l3, reason);
	if (verdict == NX_WORKER)
		return to_worker(ctx);
	count(reason);
	if (reason == NX_REASON_UDP_REFUSED)
		return write_udp_refusal(ctx, p);
	if (verdict == NX_TX)
		return write_reply(ctx, p, reply);
	return XDP_DROP;
}

/* What becomes of a packet that does not pass at once. */
static __always_inline int judge_packet(struct xdp_md *ctx)
{
	struct packet p = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};
	struct reply reply = {};

	p.bytes = p.data_end - p.data;
	p.flow.zone = zone_config.zone;
	return act(ctx, &p, &reply, classify(ctx, &p, &reply));
}

/*
 * The same for a stranger's TCP in plain IPv4, which is most of what strangers send: a copy of `judge` in
 * which the compiler knows offsets and protocol, and so leaves out a third. -1: it is something else.
 * Nothing may be judged here that judge_packet would judge otherwise (tests/bpf/plain_test.cc).
 */
static __always_inline int judge_plain(struct xdp_md *ctx, const struct packet *head)
{
	struct packet p = { .data = head->data, .data_end = head->data_end, .index = head->index };
	struct reply room, *reply = &room, syn_ack;
	enum nx_reason reason;

	/* In memory: in registers, each way out would cost clang a zero for each of its fields. */
	asm volatile("" : "+r"(reply));
	if (head->l3 != sizeof(struct ethhdr) || zone_config.kinds ||
	    zone_config.mode != NX_MODE_ENFORCE || others.mac_zone_count || is_held(head->index))
		return -1;
	p.in_pools = 1;
	p.bytes = p.data_end - p.data;
	p.flow.zone = zone_config.zone;
	if (!parse_plain_tcp(&p))
		return -1;
	reason = judge(ctx, &p, reply);
	if (reason == NX_REASON_SYN_ACK && reply->mss) {
		/* The same once more, with all but its numbers constant. */
		make_syn_ack(&syn_ack, bpf_ntohl(reply->seq), bpf_ntohl(reply->ack));
		syn_ack.mss = NX_MSS_V4_BYTES;
		count(reason);
		return write_reply(ctx, &p, &syn_ack);
	}
	if (reason == NX_REASON_SYN_ACK || reason == NX_REASON_FIN_ACK) {
		count(reason);
		return write_reply(ctx, &p, reply);
	}
	watch_others(&p, reason);
	return act(ctx, &p, reply, reason);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	struct packet head = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};
	int action;

	if (vlan_dispatch != NX_VLAN_NONE) {
		enter_vlan_zone(ctx);
		if (vlan_dispatch == NX_VLAN_ONLY) {
			count(NX_REASON_NO_ZONE);
			return XDP_DROP;
		}
	}
	if (parse_ethernet(&head) == PARSED && find_pool_sender(&zone_config, &head)) {
		if (passes_at_once(&zone_config, &head))
			return pass_up(ctx, head.l3, NX_REASON_AUTHORISED);
		action = judge_plain(ctx, &head);
		if (action >= 0)
			return action;
	}
	return judge_packet(ctx);
}

struct sweep {
	__u32 first;
	__u32 zero;
	__u64 now_ns;
};

static long sweep_next(__u32 i, struct sweep *sweep)
{
	sweep_word((sweep->first + i) % fast_words, sweep->now_ns);
	return 0;
}

#define SWEEPS_PER_SECOND 2

/* Part of the words in each tick, all of them twice a second. */
static __always_inline void sweep_fast(struct nx_ticker *ticks)
{
	struct sweep sweep = { .first = ticks->swept, .now_ns = clock.now_ns };
	__u32 per_sweep = 1000000000ull / NX_CLOCK_TICK_NS / SWEEPS_PER_SECOND;
	__u32 words = fast_words / per_sweep + 1;

	bpf_loop(words, sweep_next, &sweep, 0);
	ticks->swept = (sweep.first + words) % fast_words;
}

static __always_inline void set_clock(void)
{
	__u64 now = bpf_ktime_get_boot_ns();

	clock.now_ns = now;
	clock.now_s = now / 1000000000;
	clock.slot = nx_cookie_slot(now);
}

static int tick(void *map, __u32 *key, struct nx_ticker *ticks)
{
	set_clock();
	sweep_fast(ticks);
	bpf_timer_start(&ticks->timer, NX_CLOCK_TICK_NS, 0);
	return 0;
}

/* Sets the clock and starts its timer, or takes it over from an earlier program: narthexd runs it
 * before attaching where nothing ticks yet, and after the links are switched, because the timer
 * sweeps the fast bits of its own program. It ticks on when narthexd has gone. */
SEC("syscall")
int start_clock(void *ctx)
{
	__u32 zero = 0;
	struct nx_ticker *ticks = bpf_map_lookup_elem(&ticker, &zero);

	if (!ticks)
		return 1;
	bpf_timer_init(&ticks->timer, &ticker, 7 /* CLOCK_BOOTTIME */); /* -EBUSY: it runs already */
	if (bpf_timer_set_callback(&ticks->timer, tick))
		return 2;
	set_clock();
	return bpf_timer_start(&ticks->timer, NX_CLOCK_TICK_NS, 0) ? 3 : 0;
}

/* Settles the ledger of the CPU that runs it; narthexd runs it on each before it reads accounts. */
SEC("syscall")
int settle(void *ctx)
{
	__u32 zero = 0;
	struct nx_ledger *book = bpf_map_lookup_elem(&ledger, &zero);

	if (!book)
		return 1;
	/* The classifier may interrupt: it then counts in the entries itself. */
	*(volatile __u32 *)&book->settling = 1;
	settle_ledger(*(volatile __u32 *)&book->count);
	*(volatile __u32 *)&book->settling = 0;
	return 0;
}

char license_name[] SEC("license") = "Dual BSD/GPL";
