/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tags of a frame that leaves on the other side: pushed, popped or replaced, counted from the
 * inner end, so that the innermost tag of a frame stays its innermost. What stays keeps its type
 * and priority. A pushed outer tag of two is an S-tag (IEEE 802.1Q §9.5) with the inner's priority.
 */
#ifndef NARTHEX_BPF_VLAN_H
#define NARTHEX_BPF_VLAN_H

#include "parse.h"

#define VLAN_ID_BITS 0x0fff
#define MAX_HLEN (ETH_HLEN + MAX_VLAN_TAGS * sizeof(struct vlan_tag))

/* From the tags of one side to those of the other; outer first, 0: none. */
struct retag {
	__u16 from[MAX_VLAN_TAGS];
	__u16 to[MAX_VLAN_TAGS];
};

static __always_inline __u32 count_tags(const __u16 *tags)
{
	return !!tags[0] + !!tags[1];
}

static __always_inline int is_vlan(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/* Has the frame, whose layer 3 begins at l3, these tags and no other? */
static __always_inline int has_tags(const void *data, const void *data_end, __u64 l3,
				    const __u16 *tags)
{
	const __be16 *words = data + ETH_HLEN; /* TCI, type, TCI, type */
	__u32 count = count_tags(tags);

	if (l3 != ETH_HLEN + count * sizeof(struct vlan_tag) ||
	    data + MAX_HLEN > data_end)
		return 0;
	if (is_vlan(count == 0 ? words[-1] : count == 1 ? words[1] : words[3]))
		return 0;
	return (count < 1 || (bpf_ntohs(words[0]) & VLAN_ID_BITS) == tags[0]) &&
	       (count < 2 || (bpf_ntohs(words[2]) & VLAN_ID_BITS) == tags[1]);
}

static __always_inline __u32 tag_of(__be16 type, __be16 tci, __u16 id)
{
	struct vlan_tag tag = { (tci & ~bpf_htons(VLAN_ID_BITS)) | bpf_htons(id), type };

	return (__u32)tag.tci << 16 | tag.ethertype;
}

static __always_inline void write_tag(__be16 *where, __u32 tag)
{
	where[0] = tag;
	where[1] = tag >> 16;
}

/*
 * Gives the frame these MAC addresses, its destination first, and the tags of the other side; its own
 * are known to be `from`. Nonzero: there is no room for that, and the frame is as it was. Packet pointers are
 * void afterwards.
 */
static __always_inline int write_layer2(struct xdp_md *ctx, const struct retag *tags,
					const __u32 *macs)
{
	__u32 was = count_tags(tags->from), is = count_tags(tags->to);
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__be16 *words = data + 2 * ETH_ALEN; /* type, TCI, type, TCI */
	__be16 outer_type = bpf_htons(ETH_P_8021AD), inner_type = bpf_htons(ETH_P_8021Q);
	__be16 outer_tci, inner_tci = 0;

	if (data + MAX_HLEN + MAX_VLAN_TAGS * sizeof(struct vlan_tag) > data_end)
		return -1; /* what is left without its tags could not be checked */
	if (was) {
		inner_type = was == 2 ? words[2] : words[0];
		inner_tci = was == 2 ? words[3] : words[1];
	}
	outer_tci = inner_tci;
	if (was == 2) {
		outer_type = words[0];
		outer_tci = words[1];
	}
	if (was != is && bpf_xdp_adjust_head(ctx, ((int)was - (int)is) * (int)sizeof(struct vlan_tag)))
		return -1;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	words = data + 2 * ETH_ALEN;
	if (data + MAX_HLEN > data_end)
		return -1; /* cannot be */
	for (int i = 0; i < 3; i++) /* in words: of a frame's bytes clang assumes nothing */
		((__u32 *)data)[i] = macs[i];
	if (is == 2)
		write_tag(words, tag_of(outer_type, outer_tci, tags->to[0]));
	if (is)
		write_tag(is == 2 ? words + 2 : words,
			  tag_of(inner_type, inner_tci, is == 2 ? tags->to[1] : tags->to[0]));
	return 0;
}

#endif /* NARTHEX_BPF_VLAN_H */
