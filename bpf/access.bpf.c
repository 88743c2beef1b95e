/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "maps.h"
#include "cookie.h"

/* Starts, or takes over, the clock's timer; run once by narthexd after loading. */
static int tick(void *map, __u32 *key, struct nx_clock *clk)
{
	__u64 now = bpf_ktime_get_boot_ns();

	clk->now_ns = now;
	clk->slot = nx_cookie_slot(now);
	bpf_timer_start(&clk->timer, NX_CLOCK_TICK_NS, 0);
	return 0;
}

SEC("syscall")
int start_clock(void *ctx)
{
	__u32 zero = 0;
	struct nx_clock *clk = bpf_map_lookup_elem(&clock, &zero);

	if (!clk)
		return 1;
	bpf_timer_init(&clk->timer, &clock, 7 /* CLOCK_BOOTTIME */); /* -EBUSY: it runs already */
	if (bpf_timer_set_callback(&clk->timer, tick))
		return 2;
	return bpf_timer_start(&clk->timer, 0, 0) ? 3 : 0;
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	__u32 z = 0;
	struct nx_clock *clk = bpf_map_lookup_elem(&clock, &z);
	bpf_map_lookup_elem(&sessions, &z);
	bpf_map_lookup_elem(&cookie_keys, &z);
	bpf_map_lookup_elem(&workers, &z);
	bpf_map_lookup_elem(&counters, &z);
	struct nx_key k = {};
	bpf_map_lookup_elem(&keys, &k);
	struct nx_garden_key g = {};
	bpf_map_lookup_elem(&garden, &g);
	bpf_map_lookup_elem(&reply_limits, g.addr);
	if (clk && zone_config.zone)
		return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
	return XDP_PASS;
}

char license_name[] SEC("license") = "Dual BSD/GPL";
