/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ways to hold TCP to a rate without a queue, side by side: a flow's destination port chooses its law. All
 * of them know the bucket as bpf/allowance.h does, as the time at which what has passed is paid off; how
 * far that lies ahead is the backlog of a virtual queue. They differ in what they drop before it is full.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FIRST_PORT 7000
#define LAWS 16
#define BINS 512 /* a power of two */
#define BIN_NS 100000000ull
#define ONE (1 << 24) /* a probability */

enum kind {
	TAIL,	/* nothing */
	RED,	/* at random, ever more from `level` on: the share of the rest, to the power of `power` */
	CODEL,	/* one after `pause_ns` above the level, then ever faster (RFC 8289 §3.3) */
	PIE,	/* at random; a controller holds the backlog at the level (RFC 8033 §4.2) */
	SINGLE, /* one above the level, then none for `pause_ns` */
};

struct law {
	__u64 kind;
	__u64 cost; /* of a byte, ns << 20; 0: the port has no law */
	__u64 burst_ns;
	__u64 level_ns;
	__u64 power; /* 1, 2, 4 or 8 */
	__u64 pause_ns;
};

struct state {
	__u64 paid_ns;
	__u64 dropped_ns; /* the last one */
	__u64 next_ns;	  /* CODEL */
	__u64 drops;
	__u64 chance; /* PIE */
	__u64 chance_ns;
	__u64 backlog_ns;
};

/* From the first packet on; bytes of IP packets. */
struct record {
	__u64 begun_ns;
	__u64 passed[BINS];
	__u64 dropped[BINS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LAWS);
	__type(key, __u32);
	__type(value, struct law);
} laws SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LAWS);
	__type(key, __u32);
	__type(value, struct state);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LAWS);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

static __always_inline int red(const struct law *law, __u64 backlog)
{
	__u64 chance;

	if (backlog <= law->level_ns)
		return 0;
	chance = ((backlog - law->level_ns) << 16) / (law->burst_ns - law->level_ns);
#pragma unroll
	for (__u64 power = 2; power <= 8; power *= 2)
		if (law->power >= power)
			chance = chance * chance >> 16;
	return (bpf_get_prandom_u32() & 0xffff) < chance;
}

static __always_inline int codel(const struct law *law, struct state *s, __u64 now, __u64 backlog)
{
	__u64 root = 1;

	if (backlog <= law->level_ns) {
		s->drops = s->next_ns = 0;
		return 0;
	}
	if (!s->next_ns)
		s->next_ns = now + law->pause_ns;
	if (now < s->next_ns)
		return 0;
	s->drops++;
#pragma unroll
	for (int i = 0; i < 10; i++) /* 256 times the square root, by Newton */
		root = ((s->drops << 16) / root + root + 1) / 2;
	s->next_ns = now + law->pause_ns * 256 / root;
	return 1;
}

#define PIE_EVERY_NS 15000000

static __always_inline int pie(const struct law *law, struct state *s, __u64 now, __u64 backlog)
{
	if (now - s->chance_ns > PIE_EVERY_NS) {
		__s64 off = (__s64)(backlog - law->level_ns) >> 10;
		__s64 grown = (__s64)(backlog - s->backlog_ns) >> 10;
		__s64 change = off * 2 + grown * 20; /* 0.125 and 1.25 a second */
		__s64 chance;

		/* Small steps while the chance is small. */
		change >>= s->chance < ONE / 1000000 ? 11 : s->chance < ONE / 100000 ? 9 :
			   s->chance < ONE / 10000   ? 7  : s->chance < ONE / 1000   ? 5 :
			   s->chance < ONE / 100     ? 3  : s->chance < ONE / 10     ? 1 : 0;
		chance = (__s64)s->chance + change;
		s->chance = chance < 0 ? 0 : chance > ONE ? ONE : chance;
		s->chance_ns = now;
		s->backlog_ns = backlog;
	}
	return backlog >= law->level_ns / 2 && (bpf_get_prandom_u32() & (ONE - 1)) < s->chance;
}

static __always_inline int drops(const struct law *law, struct state *s, __u64 now, __u64 backlog)
{
	if (backlog > law->burst_ns)
		return 1;
	switch (law->kind) {
	case RED:
		return red(law, backlog);
	case CODEL:
		return codel(law, s, now, backlog);
	case PIE:
		return pie(law, s, now, backlog);
	case SINGLE:
		return backlog > law->level_ns && now - s->dropped_ns >= law->pause_ns;
	}
	return 0;
}

static __always_inline int judge(__u32 index, __u64 bytes)
{
	const struct law *law = bpf_map_lookup_elem(&laws, &index);
	struct record *record = bpf_map_lookup_elem(&records, &index);
	struct state *s = bpf_map_lookup_elem(&states, &index);
	__u64 now = bpf_ktime_get_ns(), bin, from;

	if (!law || !record || !s || !law->cost)
		return XDP_PASS;
	if (!record->begun_ns)
		record->begun_ns = now;
	bin = (now - record->begun_ns) / BIN_NS;
	asm volatile("%0 &= %1" : "+r"(bin) : "i"(BINS - 1));
	from = s->paid_ns < now ? now : s->paid_ns;
	if (drops(law, s, now, from - now)) {
		s->dropped_ns = now;
		record->dropped[bin]++;
		return XDP_DROP;
	}
	s->paid_ns = from + (bytes * law->cost >> 20);
	record->passed[bin] += bytes;
	return XDP_PASS;
}

SEC("xdp")
int hold(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	const struct iphdr *ip = (const void *)(eth + 1);
	const __be16 *ports = (const void *)(ip + 1);

	if ((void *)(ports + 2) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    ip->ihl * 4 != sizeof(*ip) || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	return judge(bpf_ntohs(ports[1]) - FIRST_PORT, bpf_ntohs(ip->tot_len));
}

char license_name[] SEC("license") = "Dual BSD/GPL";
