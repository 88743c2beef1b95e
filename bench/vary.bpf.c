/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs before the program that is measured: puts the frame back as it was, since the subject may
 * have rewritten it, gives it the next client, and tail-calls the subject. The floor is the same
 * with a subject that does nothing.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAME_BYTES 128

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} subject SEC(".maps");

struct {
	__u8 frame[FRAME_BYTES];
	__u32 bytes;	    /* of the frame */
	__u32 vary_offset;  /* of the big-endian word that holds the client; 0: none */
	__u32 vary_base;    /* its value for client 0 */
	__u32 vary_count;   /* clients */
	__u32 counter;
	/* Of 16-bit fields that are 0 in the frame and take the one's complement of the client's two
	 * halves, so that the checksums over them stay right; 0: none. */
	__u32 balance[2];
} stage = {};

static __always_inline int put_balance(struct xdp_md *ctx, __u32 offset, __u32 client)
{
	__u32 sum = (client >> 16) + (client & 0xffff);
	__u16 value = bpf_htons((__u16)~(sum + (sum >> 16)));
	__u8 *data = (void *)(long)ctx->data;

	offset &= 63;
	if (data + offset + 2 > (__u8 *)(long)ctx->data_end)
		return -1;
	*(__u16 *)(data + offset) = value;
	return 0;
}

static __always_inline __u32 mixed(__u32 number)
{
	number *= 2654435761u;
	number ^= number >> 15;
	number *= 2246822507u;
	return number ^ number >> 13;
}

SEC("xdp")
int vary(struct xdp_md *ctx)
{
	__u64 length = ctx->data_end - ctx->data;
	__u32 rest = (stage.bytes - 56) & 63;
	__u8 *data, *data_end;

	asm volatile("" : "+r"(length)); /* clang would subtract pointers in 32 bits */
	if (length != stage.bytes && bpf_xdp_adjust_tail(ctx, (int)stage.bytes - (int)length))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (data + 56 > data_end)
		return XDP_ABORTED;
	__builtin_memcpy(data, stage.frame, 56);
	if (stage.vary_offset) {
		__u32 offset = stage.vary_offset & 63;
		__u64 hash = mixed(stage.counter++);

		if (data + offset + 4 > data_end)
			return XDP_ABORTED;
		hash = hash * stage.vary_count >> 32;
		*(__u32 *)(data + offset) = bpf_htonl(stage.vary_base + hash);
		if (stage.balance[0] && put_balance(ctx, stage.balance[0], hash))
			return XDP_ABORTED;
		if (stage.balance[1] && put_balance(ctx, stage.balance[1], hash))
			return XDP_ABORTED;
	}
	if (rest)
		bpf_xdp_store_bytes(ctx, 56, stage.frame + 56, rest);
	bpf_tail_call(ctx, &subject, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char license_name[] SEC("license") = "Dual BSD/GPL";
