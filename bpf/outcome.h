/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reasons and what follows from them: each is counted, each has its verdict (abi.h). */
#ifndef NARTHEX_BPF_OUTCOME_H
#define NARTHEX_BPF_OUTCOME_H

#include "maps.h"

static __always_inline void count(enum nx_reason reason)
{
	__u32 index = reason;
	__u64 *counter = bpf_map_lookup_elem(&counters, &index);

	if (counter)
		(*counter)++;
}

static __always_inline enum nx_verdict verdict_of(enum nx_reason reason)
{
#define X(name, verdict, words)                                                            \
	case NX_REASON_##name:                                                             \
		return verdict;
	switch (reason) {
		NX_REASONS(X)
	case NX_REASON_COUNT:
		break;
	}
#undef X
	return NX_DROP;
}

#endif /* NARTHEX_BPF_OUTCOME_H */
