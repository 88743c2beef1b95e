/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a session's policy allows: idle time, quotas, rates. All keys of a session share one row of
 * `limits`; the policy is read for each packet, so that a change is in force with the next one.
 */
#ifndef NARTHEX_BPF_ALLOWANCE_H
#define NARTHEX_BPF_ALLOWANCE_H

#include "maps.h"
#include "parse.h"

/* The row of a limited session with its policy, or neither. */
struct allowance {
	struct nx_limits *limits;
	const struct nx_policy *policy;
	int spent; /* the quota is used up */
};

static __always_inline int is_spent(const struct nx_limits *limits, const struct nx_policy *policy)
{
	__u64 up = limits->used_up, down = limits->used_down;

	return (policy->quota_up && up >= policy->quota_up) ||
	       (policy->quota_down && down >= policy->quota_down) ||
	       (policy->quota_total && up + down >= policy->quota_total);
}

/* 0 if the session is over by its policy. A row that is not there authorises nobody. */
static __always_inline int open_allowance(struct allowance *allowance, __u32 row, __u32 now_s)
{
	struct nx_limits *limits_row = bpf_map_lookup_elem(&limits, &row);
	const struct nx_policy *policy;

	if (!limits_row)
		return 0;
	policy = bpf_map_lookup_elem(&policies, &limits_row->policy);
	if (!policy)
		return 0;
	/* The coarse clock may lag behind narthexd's. */
	if (policy->idle_s && (__s32)(now_s - limits_row->last_seen_s) >= (__s32)policy->idle_s)
		return 0;
	allowance->spent = is_spent(limits_row, policy);
	if (allowance->spent && policy->at_quota == NX_AT_QUOTA_PORTAL)
		return 0;
	/* Last: another key of the client may authorise it, and would be charged to this row. */
	allowance->limits = limits_row;
	allowance->policy = policy;
	return 1;
}

#define PAY_TRIES 4
#define LONGEST_PACKET_BYTES 65536

/*
 * May a packet of so many bytes pass now (abi.h, struct nx_rate)? Lock-free: who loses the race
 * tries again, and after PAY_TRIES pays without asking, so that nothing passes unpaid.
 */
static __always_inline int pay(__u64 *paid_ns, const struct nx_rate *rate, __u64 bytes)
{
	__u64 cost_ns = bytes * rate->cost >> NX_RATE_SHIFT;
	__u64 longest_ns = LONGEST_PACKET_BYTES * rate->cost >> NX_RATE_SHIFT;
	__u64 now_ns = bpf_ktime_get_ns();

#pragma unroll
	for (int i = 0; i < PAY_TRIES; i++) {
		__u64 was = *(volatile __u64 *)paid_ns;
		__u64 from = was < now_ns ? now_ns : was;

		/* Further ahead than this rate ever gets: the debt of a slower one is forgiven. */
		if (from - now_ns > rate->burst_ns + longest_ns)
			from = now_ns + rate->burst_ns;
		if (from - now_ns > rate->burst_ns)
			return 0;
		if (__sync_val_compare_and_swap(paid_ns, was, from + cost_ns) == was)
			return 1;
	}
	__sync_fetch_and_add(paid_ns, cost_ns);
	return 1;
}

/* Takes the packet from what is left, or says why it must not pass. */
static __always_inline enum nx_reason spend(struct allowance *allowance, __u32 down,
					    const struct packet *p, __u32 now_s)
{
	const struct nx_policy *policy = allowance->policy;
	struct nx_limits *row = allowance->limits;
	const struct nx_rate *rate;

	if (!row || !policy)
		return UNDECIDED;
	if (allowance->spent && policy->at_quota == NX_AT_QUOTA_BLOCK)
		return down ? NX_REASON_DOWNLINK_QUOTA_BLOCKED : NX_REASON_QUOTA_BLOCKED;
	if (down)
		rate = allowance->spent ? &policy->throttled_down : &policy->down;
	else
		rate = allowance->spent ? &policy->throttled_up : &policy->up;
	if (rate->cost && !pay(down ? &row->paid_down_ns : &row->paid_up_ns, rate, p->bytes - p->l3))
		return down ? NX_REASON_DOWNLINK_RATE_LIMITED : NX_REASON_RATE_LIMITED;
	if (down) {
		__sync_fetch_and_add(&row->used_down, p->bytes);
	} else {
		__sync_fetch_and_add(&row->used_up, p->bytes);
		row->last_seen_s = now_s;
	}
	return UNDECIDED;
}

#endif /* NARTHEX_BPF_ALLOWANCE_H */
