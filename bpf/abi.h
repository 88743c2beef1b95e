/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the classifier, narthexd and the dataplane share: map names, keys, values,
 * verdicts, reasons and limits. Compiled as C for BPF and as C++20 by both processes;
 * nothing here has a body that could differ between the worlds.
 *
 * Byte order: fields are host order unless their comment says network order.
 * Addresses are always 16 bytes; an IPv4 address is written v4-mapped (::ffff:a.b.c.d).
 * Times are nanoseconds of CLOCK_BOOTTIME, which no wall-clock step moves.
 *
 * Who writes what:
 *   sessions, keys, garden, cookie_keys   narthexd (counters inside a session: classifier)
 *   fast                                  classifier; narthexd clears bits
 *   fast_due, ledger                      classifier
 *   counters, clock, reply_limits         classifier
 *   workers                               each worker its own entry
 *   xsks_map                              the kernel, as AF_XDP sockets come and go
 */
#ifndef NARTHEX_BPF_ABI_H
#define NARTHEX_BPF_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define NX_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type)
#else
#define NX_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#endif

/* Raised when the layout or meaning of a pinned map changes; kept in `abi_version`. */
#define NX_ABI_VERSION 1

/* ---- bounds ------------------------------------------------------------------------- */

#define NX_MAX_ZONES 16	       /* access networks (one interface each) of one instance */
#define NX_MAX_QUEUES 64       /* receive queues, and so workers, of one interface */
#define NX_MAX_WORKERS (NX_MAX_ZONES * NX_MAX_QUEUES)
#define NX_MAX_POOLS 8	       /* directly indexed IPv4 pools of one zone */
#define NX_MAX_PREFIXES 8      /* IPv6 prefixes of one zone */
#define NX_MAX_OWN 32	       /* addresses that no client can have, of one zone */
#define NX_MAX_PORTS 8	       /* intercepted TCP ports of one zone */
#define NX_MAX_RESOLVERS 8     /* DNS resolvers of one zone */
#define NX_MAX_GARDEN 16384    /* garden prefixes of one instance */
#define NX_MAX_GARDEN_RANGES 8 /* port ranges of one garden prefix */
#define NX_MAX_LIMITED 65536   /* clients whose replies are being counted (LRU) */

/* Largest response (headers and body): one segment at either path MTU, DESIGN §4. */
#define NX_FULL_RESPONSE_BYTES 1220
#define NX_COMPACT_RESPONSE_BYTES 536

/* What the SYN-ACK offers: no scaling, room for a request with large cookies. */
#define NX_WINDOW_BYTES 16384
#define NX_MSS_V4_BYTES 1460
#define NX_MSS_V6_BYTES 1440
/* MSS of a client whose SYN has no MSS option, RFC 9293 §3.7.1. */
#define NX_DEFAULT_MSS_V4_BYTES 536
#define NX_DEFAULT_MSS_V6_BYTES 1220

/* A worker whose heartbeat is older gets no new connections. */
#define NX_HEARTBEAT_STALE_NS 500000000ull
/* The classifier's clock: precise enough for expiry to the second. */
#define NX_CLOCK_TICK_NS 10000000ull
/* Connections that narthex has answered stay narthex's for so long after a login. */
#define NX_STICKY_S 60
/* Replies (RST) that one client may draw within one second. */
#define NX_REPLIES_PER_SECOND 100
/* DNS packets that a client without a session may send within one second. */
#define NX_DNS_PER_SECOND 200

/* ---- verdicts and reasons ----------------------------------------------------------- */

enum nx_verdict {
	NX_DROP,   /* XDP_DROP */
	NX_PASS,   /* to the kernel, unchanged */
	NX_TX,	   /* answered by the classifier, back out of the same interface */
	NX_WORKER, /* to the AF_XDP socket of the receive queue */
};

/*
 * Every way a packet can leave the classifier: X(NAME, verdict, "words for people").
 * The position is the index in the `counters` map; add at the end only.
 */
#define NX_REASONS(X)                                                                      \
	X(AUTHORISED, NX_PASS, "the client has a session")                                 \
	X(MODE_BYPASS, NX_PASS, "the zone is in bypass")                                   \
	X(MODE_MONITOR, NX_PASS, "would be intercepted, but the zone only monitors")       \
	X(ARP, NX_PASS, "ARP")                                                             \
	X(NEIGHBOUR, NX_PASS, "IPv6 neighbour discovery or MLD")                           \
	X(DHCP, NX_PASS, "DHCP")                                                           \
	X(DNS, NX_PASS, "DNS to a configured resolver")                                    \
	X(GARDEN, NX_PASS, "destination in the walled garden")                             \
	X(SYN_ACK, NX_TX, "SYN answered with a cookie")                                    \
	X(FIN_ACK, NX_TX, "FIN of an answered connection acknowledged")                    \
	X(RST, NX_TX, "connection refused with RST")                                       \
	X(REQUEST, NX_WORKER, "request data handed to a worker")                           \
	X(COOKIE_ACK, NX_DROP, "bare ACK of an answered connection")                       \
	X(WORKER_MISSING, NX_DROP, "request data, but no worker on this queue")            \
	X(WORKER_STALE, NX_DROP, "SYN, but the worker's heartbeat is stale")               \
	X(RST_LIMITED, NX_DROP, "RST withheld by the client's reply limit")                \
	X(RST_RECEIVED, NX_DROP, "RST from the client")                                    \
	X(TCP_FLAGS, NX_DROP, "impossible TCP flags")                                      \
	X(MSS_TOO_SMALL, NX_DROP, "SYN whose MSS cannot hold a response")                  \
	X(TRUNCATED, NX_DROP, "headers cut short or of impossible length")                 \
	X(ETHERTYPE, NX_DROP, "neither ARP, IPv4 nor IPv6, or more than two VLAN tags")    \
	X(FRAGMENT, NX_DROP, "IP fragment")                                                \
	X(EXTENSION_HEADERS, NX_DROP, "IPv4 options or IPv6 extension headers not understood")             \
	X(MARTIAN, NX_DROP, "source outside the zone, or an impossible address")                    \
	X(UDP, NX_DROP, "UDP outside DNS, DHCP and the garden")                            \
	X(ICMP, NX_DROP, "ICMP or ICMPv6 outside the garden")                              \
	X(IP_PROTOCOL, NX_DROP, "another IP protocol")                                     \
	X(CHECKSUM, NX_DROP, "bad IP or TCP checksum")                                     \
	X(DOWNLINK_AUTHORISED, NX_PASS, "uplink: to a client with a session")              \
	X(DOWNLINK_GARDEN, NX_PASS, "uplink: from the walled garden")                      \
	X(DOWNLINK_DNS, NX_PASS, "uplink: answer of a configured resolver")                \
	X(DOWNLINK_OTHER, NX_PASS, "uplink: to nobody that narthex answers for")           \
	X(DOWNLINK_MODE, NX_PASS, "uplink: to a zone that only monitors or is in bypass")  \
	X(UNSOLICITED, NX_DROP, "uplink: to a client that has not logged in")              \
	X(DNS_LIMITED, NX_DROP, "DNS beyond the client's limit")

enum nx_reason {
#define X(name, verdict, words) NX_REASON_##name,
	NX_REASONS(X)
#undef X
	NX_REASON_COUNT
};

/* What a worker counts; add at the end only. */
#define NX_WORKER_COUNTERS(X)                                                              \
	X(RX, "packets received")                                                          \
	X(TX, "packets sent")                                                              \
	X(TX_FULL, "replies dropped because the transmit ring was full")                   \
	X(NETWORK_AUTHENTICATION_REQUIRED, "511 responses")                                \
	X(ERROR_RESPONSE, "400, 414 and 505 responses")                                    \
	X(REDIRECT, "302 responses")                                                       \
	X(ACK, "segments acknowledged without a response")                                 \
	X(RST, "RST sent")                                                                 \
	X(MALFORMED_PACKET, "packets that could not be parsed")                            \
	X(BAD_CHECKSUM, "packets with a bad IP or TCP checksum")                           \
	X(BAD_COOKIE, "packets whose cookie is not valid")                                 \
	X(WINDOW_TOO_SMALL, "requests whose window cannot hold the response")              \
	X(INCOMPLETE_REQUEST, "request pieces kept for reassembly")                        \
	X(REASSEMBLED, "requests completed from pieces")                                   \
	X(REASSEMBLY_EVICTED, "request pieces dropped because the table was full")         \
	X(REASSEMBLY_EXPIRED, "request pieces dropped by the timer")

enum nx_worker_counter {
#define X(name, words) NX_WORKER_##name,
	NX_WORKER_COUNTERS(X)
#undef X
	NX_WORKER_COUNTER_COUNT
};
#define NX_WORKER_COUNTER_ROOM 24

/* ---- maps --------------------------------------------------------------------------- */

/*
 * `sessions`: array, memory-mapped by narthexd. Entries [0, pool addresses) belong to the
 * pools, one for each address; the entries after them are handed out by narthexd and found
 * through `keys`. One cache line each.
 */
struct nx_session {
	__u64 expires_ns; /* 0: not authorised; the only field that authorises */
	__u64 packets_up;
	__u64 bytes_up; /* Ethernet payload as received by the classifier, L2 header included */
	__u64 packets_down;
	__u64 bytes_down;
	__u64 first_seen_ns; /* 0: no packet yet */
	__u64 last_seen_ns;
	__u32 policy; /* 0: no limits */
	__u32 begun_s; /* second in which the login took effect; 0: long ago */
};
NX_ASSERT_SIZE(struct nx_session, 64);

/*
 * `fast`: array of words, memory-mapped; bit i of the pool entries is set while entry i is known
 * to authorise without conditions. Two megabytes of it stand for 16 million clients, so the
 * common verdict costs no cache miss. The classifier sets a bit after it has judged the entry
 * and clears it when the entry's time is up; narthexd clears it after each change of expires_ns.
 * `fast_due`: for each word the earliest end among its bits, ns; 0: to be found.
 */
#define NX_FAST_BITS 64

/*
 * `ledger`: packets of fast clients that are not yet in their entry, for each CPU. It is settled
 * in batches, whose cache misses overlap; the `settle` program settles the rest on request.
 */
#define NX_LEDGER_ENTRIES 1024
#define NX_LEDGER_BATCH 64
#define NX_LEDGER_RUN 256 /* packets of one client in a row that share an entry */
#define NX_LEDGER_DOWN 0x80000000u /* in `session`: packets to the client */
struct nx_ledger_entry {
	__u32 session; /* index, or index | NX_LEDGER_DOWN */
	__u32 packets;
	__u64 bytes;
};
struct nx_ledger {
	__u32 head; /* entries ever written */
	__u32 tail; /* entries ever settled */
	__u32 settling; /* 1 while `settle` works here: write no entries */
	__u32 zero;
	struct nx_ledger_entry entries[NX_LEDGER_ENTRIES];
};
NX_ASSERT_SIZE(struct nx_ledger, 16 + 16 * NX_LEDGER_ENTRIES);

enum nx_key_kind {
	NX_KEY_ADDRESS = 1, /* addr/prefix_len */
};

/* `keys`: hash, key of a client outside the pools -> index in `sessions` (__u32). */
struct nx_key {
	__u8 addr[16]; /* network order, bits beyond prefix_len zero */
	__u16 zone;
	__u8 kind;	 /* enum nx_key_kind */
	__u8 prefix_len; /* bits of addr: 128 for one address */
};
NX_ASSERT_SIZE(struct nx_key, 20);

/* `garden`: LPM trie over zone and destination address. */
struct nx_garden_key {
	__u32 prefix_len; /* 32 + bits of addr */
	__u16 zone;
	__u16 zero;
	__u8 addr[16]; /* network order */
};
NX_ASSERT_SIZE(struct nx_garden_key, 24);
#define NX_GARDEN_PREFIX_BASE 32

struct nx_port_range {
	__u16 first;
	__u16 last;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP; 0: every protocol, ports ignored */
	__u8 zero[3];
};
NX_ASSERT_SIZE(struct nx_port_range, 8);

struct nx_garden {
	__u32 range_count;
	__u32 zero;
	struct nx_port_range ranges[NX_MAX_GARDEN_RANGES];
};
NX_ASSERT_SIZE(struct nx_garden, 72);

/*
 * `cookie_keys`: array of one, memory-mapped by narthexd and the workers. The key of time
 * slot s is key[s % 4]; slots s and s-1 are valid, so narthexd renews key[(s + 1) % 4] while
 * nobody uses it. With narthexd dead the slot still changes the cookie.
 */
#define NX_COOKIE_SLOT_NS 120000000000ull
struct nx_cookie_keys {
	__u64 key[4][2];
};
NX_ASSERT_SIZE(struct nx_cookie_keys, 64);

/* `workers`: array, memory-mapped; entry zone_index * NX_MAX_QUEUES + queue. */
struct nx_worker {
	__u64 heartbeat_ns; /* written at least every 50 ms; 0: never started */
	__u64 busy_cycles;  /* TSC cycles in bursts that held packets */
	__u64 idle_cycles;  /* TSC cycles in empty polls */
	__u64 cycles_per_s;
	__u32 pid;
	__u32 policy_version; /* of the snapshot in use */
	__u64 started_ns;
	__u64 zero[2];
	__u64 counters[NX_WORKER_COUNTER_ROOM];
};
NX_ASSERT_SIZE(struct nx_worker, 64 + 8 * NX_WORKER_COUNTER_ROOM);

/* `reply_limits`: LRU hash, client address (16 bytes) -> what it drew in this second. */
struct nx_reply_limit {
	__u64 second_ns; /* start of the second being counted */
	__u32 replies;
	__u32 dns; /* packets to a resolver */
};
NX_ASSERT_SIZE(struct nx_reply_limit, 16);

/* ---- constants of one interface's program (rodata `zone_config`) --------------------- */

enum nx_mode {
	NX_MODE_ENFORCE,
	NX_MODE_MONITOR,
	NX_MODE_BYPASS,
};

struct nx_pool {
	__u32 first; /* address, host order */
	__u32 count; /* addresses */
	__u32 session; /* index of the first address in `sessions` */
};
NX_ASSERT_SIZE(struct nx_pool, 12);

/* An IPv6 prefix: an address a is inside if (a & mask) == addr; both network order. */
struct nx_prefix {
	__u64 addr[2];
	__u64 mask[2];
};
NX_ASSERT_SIZE(struct nx_prefix, 32);

struct nx_zone_config {
	__u16 zone;	   /* identifier of the zone, from 1 */
	__u16 worker_base; /* index in `workers` of this interface's queue 0 */
	__u8 mode;	   /* enum nx_mode */
	__u8 pool_count;
	__u8 port_count;
	__u8 resolver_count;
	__u8 prefix_count;
	__u8 own_count;
	__u8 zero[6];
	struct nx_prefix prefixes[NX_MAX_PREFIXES]; /* IPv6 prefixes of the clients */
	struct nx_pool pools[NX_MAX_POOLS];	    /* IPv4 addresses of the clients */
	__u16 ports[NX_MAX_PORTS]; /* intercepted, host order */
	__u64 resolvers[NX_MAX_RESOLVERS][2]; /* addresses, network order, v4-mapped */
	__u64 own[NX_MAX_OWN][2]; /* the gateway's own and the broadcast addresses, likewise */
};
NX_ASSERT_SIZE(struct nx_zone_config, 16 + 32 * NX_MAX_PREFIXES + 12 * NX_MAX_POOLS +
					      2 * NX_MAX_PORTS + 16 * NX_MAX_RESOLVERS +
					      16 * NX_MAX_OWN);

/* ---- constants of one uplink's program (rodata `uplink_config`) ---------------------- */

struct nx_uplink_config {
	__u32 zone_count;
	__u32 zero;
	struct nx_zone_config zones[NX_MAX_ZONES];
};
NX_ASSERT_SIZE(struct nx_uplink_config, 8 + NX_MAX_ZONES * sizeof(struct nx_zone_config));

#endif /* NARTHEX_BPF_ABI_H */
