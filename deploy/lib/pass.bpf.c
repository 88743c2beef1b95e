// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Passes everything. On veth, what the peer sends by XDP_TX is only received
// promptly by an end that has an XDP program of its own.
__attribute__((section("xdp"), used)) int pass(void *context)
{
	(void)context;
	return 2; /* XDP_PASS */
}
char licence[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
