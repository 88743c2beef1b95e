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
 *   sessions, keys, garden, cookie_keys   narthexd (`before`, `addresses`: classifier,
 *                                         which sets `begun` to 0 when it is over)
 *   garden_blocks                         narthexd
 *   traffic_up, traffic_down              classifier; narthexd before an entry begins
 *   accounts                              the same; narthexd when somebody was seen
 *   policies                              narthexd
 *   limits, places                        narthexd begins a row, the classifier keeps it
 *   via                                   classifier; narthexd deletes what is stale
 *   events                                classifier to narthexd
 *   elsewhere, dhcp_asked                 classifier
 *   learned, dns_rules, dns_offenders     narthexd (`lost` in dns_rules: uplink)
 *   dns_answers, dns_unread               uplink to narthexd, which deletes what it has read
 *   fast                                  classifier; narthexd clears bits
 *   held                                  narthexd
 *   fast_due, ledger                      classifier
 *   counters, clock, ticker, before_login, sieve  classifier
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

/* Raised when `sessions`, `traffic_up`, `traffic_down`, `accounts`, `limits` or `ledger` change. */
#define NX_ACCOUNTS_VERSION 3
/* Raised when the layout or meaning of any pinned map changes, which are then made anew; kept in
 * `abi_version`. Counters are handed over if NX_ACCOUNTS_OF both is the same. */
#define NX_ABI_VERSION (NX_ACCOUNTS_VERSION << 16 | 8)
#define NX_ACCOUNTS_OF(abi_version) ((abi_version) >> 16)

/* ---- bounds ------------------------------------------------------------------------- */

#define NX_MAX_ZONES 16	       /* access networks (one interface each) of one instance */
#define NX_MAX_QUEUES 64       /* receive queues, and so workers, of one interface */
#define NX_MAX_WORKERS (NX_MAX_ZONES * NX_MAX_QUEUES)
#define NX_MAX_POOLS 8	       /* directly indexed IPv4 pools of one zone */
#define NX_MAX_PREFIXES 8      /* IPv6 prefixes of one zone */
#define NX_MAX_OWN 32	       /* addresses that no client can have, of one zone */
#define NX_MAX_PORTS 8	       /* intercepted TCP ports of one zone */
#define NX_MAX_RESOLVERS 8     /* DNS resolvers of one zone */
#define NX_MAX_UPLINKS 16      /* interfaces towards the internet of one instance */
#define NX_MAX_GARDEN 16384    /* garden prefixes of one instance */
#define NX_GARDEN_BLOCKS 65536   /* IPv4 /16 blocks, a bit each in `garden_blocks` */
#define NX_MAX_GARDEN_RANGES 8 /* port ranges of one garden prefix */
#define NX_MAX_LIMITED 16384   /* IPv6 clients without a session that are being counted (LRU) */
#define NX_MAX_POLICIES 256    /* named policies, the first of them "no limits" */
#define NX_MAX_KEY_LENGTHS 4   /* lengths of the IPv6 prefixes that sessions of one zone have */
#define NX_MAX_VIA 32	       /* addresses that one MAC or line session may use at a time */
#define NX_EVENT_BYTES 65536   /* room for events that narthexd has not read */
#define NX_MAX_LEARNED 16384   /* garden addresses learned from DNS */
#define NX_LEARNED_NAMES 4     /* garden names of one learned address */
#define NX_NAME_BYTES 256      /* a name as text with its final NUL */
#define NX_MAX_ANSWER_BYTES 1400  /* DNS answers are copied up to here */
#define NX_ANSWER_RING_BYTES (1u << 20) /* room for answers that narthexd has not read */
#define NX_MAX_UNREAD 4096     /* clients with an unread answer (LRU): five times what the ring holds */
#define NX_MAX_OFFENDERS 16384 /* clients whose DNS is refused (LRU) */
#define NX_MAX_ELSEWHERE 1024  /* sessions whose keys came by another zone's port (LRU) */
#define NX_MAX_DHCP 16384      /* clients of bridged zones that wait for a DHCP server (LRU) */

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

/* As often a packet to each neighbour goes by way of the kernel, which so keeps its address true. */
#define NX_NEIGHBOUR_S 15
/* What narthexd last said of routes holds for so long (bpf/route.h). */
#define NX_ROUTES_PLAIN_NS 2000000000ull
/* A worker whose heartbeat is older gets no new connections. */
#define NX_HEARTBEAT_STALE_NS 500000000ull
/* The classifier's clock: precise enough for expiry to the second. */
#define NX_CLOCK_TICK_NS 10000000ull
/* An answer that narthexd has not read so long after it was copied will not be waited for. */
#define NX_UNREAD_NS 200000000ull
/* Connections that narthex has answered stay narthex's for so long after a login. */
#define NX_STICKY_S 60
/* What a client without a session may send or draw within one second, unless configured. */
#define NX_SYN_PER_SECOND 200  /* connections answered */
#define NX_RST_PER_SECOND 100  /* RST drawn */
#define NX_ICMP_PER_SECOND 20  /* ICMP errors drawn */
#define NX_DNS_PER_SECOND 200  /* packets to a resolver */
#define NX_MOST_PER_SECOND 250 /* the highest of these that can be configured */
/* A session's key that keeps coming by another zone's port is reported as often. */
#define NX_ELSEWHERE_S 60
/* A DHCP server may answer a client of a bridged zone for so long. */
#define NX_DHCP_S 10
/* Strangers' packets that are looked up among the other zones' keys, for each port. */
#define NX_ELSEWHERE_PER_SECOND 1000

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
	X(DNS_LIMITED, NX_DROP, "DNS beyond the client's limit")                           \
	X(RATE_LIMITED, NX_DROP, "beyond the rate of the session's policy")                \
	X(QUOTA_BLOCKED, NX_DROP, "the session's quota is used up and its policy blocks")  \
	X(BINDING, NX_DROP, "from a MAC address or VLAN that the session is not bound to") \
	X(SYN_LIMITED, NX_DROP, "SYN beyond the client's limit")                           \
	X(ICMP_LIMITED, NX_DROP, "ICMP error withheld by the client's limit")              \
	X(UDP_REFUSED, NX_TX, "UDP refused with an ICMP error")                            \
	X(TCP_DROPPED, NX_DROP, "TCP that the zone drops rather than refuses")             \
	X(KERNEL_FALLBACK, NX_PASS, "authorised, but not to be forwarded without the kernel") \
	X(DOWNLINK_RATE_LIMITED, NX_DROP, "uplink: beyond the rate of the session's policy") \
	X(DOWNLINK_QUOTA_BLOCKED, NX_DROP, "uplink: the session's quota is used up")       \
	X(DOWNLINK_KERNEL_FALLBACK, NX_PASS, "uplink: authorised, not to be forwarded without the kernel") \
	X(DNS_REFUSED, NX_DROP, "DNS query beyond the zone's limits of names, or malformed") \
	X(DNS_TUNNEL, NX_DROP, "DNS of a client whose names look like a tunnel")           \
	X(DNS_OBSERVED, NX_PASS, "DNS that would be refused, but is only observed")        \
	X(ANSWER_UNREAD, NX_DROP, "connection while the client's DNS answer is being read") \
	X(DOWNLINK_DNS_TOO_LARGE, NX_DROP, "uplink: DNS answer beyond the zone's size")    \
	X(DOWNLINK_DNS_OBSERVED, NX_PASS, "uplink: DNS answer too large, but only observed") \
	X(DOWNLINK_CONTROL, NX_PASS, "uplink: neighbour discovery or DHCP for a client of a bridged zone") \
	X(NO_ZONE, NX_DROP, "of a VLAN that belongs to no zone")                           \
	X(DOWNLINK_BINDING, NX_DROP, "uplink: to a MAC address that the session is not bound to")

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
	X(REASSEMBLY_EXPIRED, "request pieces dropped by the timer")                       \
	X(SILENT, "requests left without an answer by a rule")

enum nx_worker_counter {
#define X(name, words) NX_WORKER_##name,
	NX_WORKER_COUNTERS(X)
#undef X
	NX_WORKER_COUNTER_COUNT
};
#define NX_WORKER_COUNTER_ROOM 24

/* ---- maps --------------------------------------------------------------------------- */

enum nx_before_login { /* what is counted of a client without a session */
	NX_BEFORE_SYN,
	NX_BEFORE_RST,
	NX_BEFORE_ICMP,
	NX_BEFORE_DNS,
	NX_BEFORE_COUNT,
};

/* What one did in one second beyond the sieve: never more than it may. */
struct nx_before {
	__u16 second; /* low bits of the second of CLOCK_BOOTTIME that is being counted */
	__u8 counts[NX_BEFORE_COUNT];
};
NX_ASSERT_SIZE(struct nx_before, 6);

/*
 * `sessions`: array, memory-mapped by narthexd. Entries [0, pool addresses) belong to the
 * pools, one for each address; the entries after them are handed out by narthexd and found
 * through `keys`. What judging a packet needs; the accounts have the rest at the same index.
 */
struct nx_session {
	__u64 expires_ns; /* 0: not authorised; the only field that authorises */
	__u32 limits;	  /* row of `limits`, shared by the keys of one session; 0: no limits */
	__u32 unused;	  /* 0 */
	__u16 begun;	  /* nx_begun of the second in which the login took effect; 0: long ago */
	union {
		struct nx_before before; /* of an IPv4 client without a session: a pool entry's */
		__u16 addresses; /* rows of `via` that lead here: a MAC or line session's */
	};
};
NX_ASSERT_SIZE(struct nx_session, 24);

/* Comes round every 18 hours, which gives who sent nothing since its login another fresh minute. */
static inline __u16 nx_begun(__u32 second)
{
	return (__u16)second ? (__u16)second : 1;
}

/*
 * `traffic_up`, `traffic_down`: arrays of words by index in `sessions`, memory-mapped. Packets and
 * bytes of a direction are one word, so that one atomic add counts both, and eight lie in a cache line:
 * what a packet costs is the way to its word. Whole frames as received by the classifier, L2 header
 * included. `accounts`: array by the same index, memory-mapped; what goes beyond the words, once in
 * 2^40 bytes or 2^24 packets, is in `rounds`.
 */
struct nx_account {
	__u32 rounds_up;
	__u32 rounds_down;
	__u32 first_seen_s; /* when narthexd first found packets from the client; 0: none yet */
	__u32 last_seen_s;  /* when it last found more of them */
};
NX_ASSERT_SIZE(struct nx_account, 16);

/* A word: bytes in the low bits; above them the packets and how often the bytes went round. */
#define NX_TRAFFIC_BYTES 40
/* `rounds`: of the bytes in the low bits; above them those of the word. */
#define NX_ROUNDS_BYTES 12

/* `packets` below 2^24, `bytes` below 2^40. */
static inline __u64 nx_traffic(__u64 packets, __u64 bytes)
{
	return packets << NX_TRAFFIC_BYTES | bytes;
}
/* What `rounds` grows by when `more` is added to a word that was `was`; mostly 0. */
static inline __u32 nx_rounds(__u64 was, __u64 more)
{
	return (((was ^ more ^ (was + more)) >> NX_TRAFFIC_BYTES) & 1) |
	       (__u32)(was + more < was) << NX_ROUNDS_BYTES;
}
static inline __u64 nx_traffic_bytes(__u64 word, __u32 rounds)
{
	return (__u64)(rounds & ((1u << NX_ROUNDS_BYTES) - 1)) << NX_TRAFFIC_BYTES |
	       (word & ((1ull << NX_TRAFFIC_BYTES) - 1));
}
static inline __u64 nx_traffic_packets(__u64 word, __u32 rounds)
{
	return ((__u64)(rounds >> NX_ROUNDS_BYTES) << (64 - NX_TRAFFIC_BYTES) | word >> NX_TRAFFIC_BYTES) -
	       (rounds & ((1u << NX_ROUNDS_BYTES) - 1));
}

/*
 * `fast`: array of words, memory-mapped; bit i of the pool entries is set while entry i is known
 * to authorise without conditions. Two megabytes of it stand for 16 million clients, so the
 * common verdict costs no cache miss. The classifier sets a bit after it has judged the entry
 * and clears it when the entry's time is up; narthexd clears it after each change of expires_ns.
 * `fast_due`: for each word the earliest end among its bits, ns; 0: to be found.
 */
#define NX_FAST_BITS 64

/*
 * `held`: array of words, memory-mapped; bit i of the pool entries is set while entry i may hold a
 * session. An entry whose bit is clear is not read, which spares strangers a cache and a TLB miss, so
 * a session whose bit were clear would be none: narthexd sets the bit before it stores an end, and
 * clears it after it has stored 0. A bit too many costs a read.
 */

/*
 * `ledger`: packets that are not yet in their account, for each CPU. It is settled when it is full, so
 * that the cache misses overlap; the `settle` program settles it on request.
 */
#define NX_LEDGER_ENTRIES 64
#define NX_LEDGER_RUN 256 /* packets of one client in a row that share an entry */
#define NX_LEDGER_DOWN 0x80000000u /* in `session`: packets to the client */
struct nx_ledger_entry {
	__u32 session; /* index, or index | NX_LEDGER_DOWN */
	__u32 packets;
	__u64 bytes;
};
struct nx_ledger {
	__u32 count;	/* entries in use, fewer than there are */
	__u32 settling; /* 1 while `settle` works here: write no entries */
	__u64 unused;
	struct nx_ledger_entry entries[NX_LEDGER_ENTRIES];
};
NX_ASSERT_SIZE(struct nx_ledger, 16 + 16 * NX_LEDGER_ENTRIES);

enum nx_key_kind {
	NX_KEY_ADDRESS = 1, /* addr/prefix_len: an IPv6 prefix; IPv4 clients lie in the pools */
	NX_KEY_MAC = 2,	    /* addr[0..5]; prefix_len 48 */
	NX_KEY_LINE = 3,    /* addr[0..1] outer, addr[2..3] inner VLAN, network order; 0: no tag;
			       prefix_len 32 */
};

/* `keys`: hash, key of a client outside the pools -> index in `sessions` (__u32). */
struct nx_key {
	__u8 addr[16]; /* network order, bits beyond prefix_len zero */
	__u16 zone;
	__u8 kind;	 /* enum nx_key_kind */
	__u8 prefix_len; /* bits of addr that count: 128 for one address */
};
NX_ASSERT_SIZE(struct nx_key, 20);

/*
 * `via`: hash, key of one address -> the MAC or line session that used it last, so that the
 * uplink knows whose a packet is. Written by the classifier as such clients send; a session has
 * at most NX_MAX_VIA. Stale rows authorise nobody: the entry decides.
 */
struct nx_via {
	__u32 session; /* index in `sessions` */
	__u32 seen_s;
};
NX_ASSERT_SIZE(struct nx_via, 8);

/*
 * `places`: array by index in `sessions`, where a session may be used and was used last. It has
 * one row if no zone binds or watches.
 */
struct nx_place {
	__u8 mac[6];   /* NX_BIND_MAC: the only source address; all zero: not bound */
	__u16 zero;
	__u32 where;   /* nx_where of the last packet that passed; 0: none yet */
	__u32 alarm_s; /* second of the last event */
};
NX_ASSERT_SIZE(struct nx_place, 16);

/* Port and VLANs of a frame: zone << 24 | outer << 12 | inner; never 0. */
#define NX_WHERE(zone, outer, inner) \
	((__u32)(zone) << 24 | ((__u32)(outer) & 0xfff) << 12 | ((__u32)(inner) & 0xfff))

enum nx_event_kind {
	NX_EVENT_MOVED = 1, /* a key came from another port or VLAN; dropped if bound */
	NX_EVENT_MAC = 2,   /* a bound address came from another MAC address; dropped */
	NX_EVENT_ELSEWHERE = 3, /* a key came by another zone's port, as a stranger's; `was` and
				   `zone` are the session's zone, `is` has the port's */
};

/* `events`: ring buffer; for each session at most one event a second, of NX_EVENT_ELSEWHERE one in
 * NX_ELSEWHERE_S. */
struct nx_event {
	__u64 at_ns;
	__u32 kind;    /* enum nx_event_kind */
	__u32 session; /* index in `sessions` */
	__u32 was;     /* nx_place.where before */
	__u32 is;
	__u8 addr[16]; /* source address of the packet */
	__u8 mac[6];   /* source MAC of the frame */
	__u16 zone;
};
NX_ASSERT_SIZE(struct nx_event, 48);

/* `elsewhere`: LRU hash, index in `sessions` -> second of the last NX_EVENT_ELSEWHERE (__u32). */

/*
 * `dhcp_asked`: LRU hash, a client of a bridged zone without a session -> the last thing that it asked
 * DHCP servers. Their answer to it is the only packet of theirs that it gets by its own address.
 */
struct nx_dhcp_client {
	__u8 mac[6];
	__u16 zone;
	__u32 ipv6;
};
NX_ASSERT_SIZE(struct nx_dhcp_client, 12);

struct nx_dhcp_question {
	__u32 id; /* transaction, network order; of DHCPv6 its first byte is zero */
	__u32 at_s;
};
NX_ASSERT_SIZE(struct nx_dhcp_question, 8);

/* ---- limits ------------------------------------------------------------------------- */

/*
 * A token bucket as a virtual schedule (GCRA, ITU-T I.371): the row keeps the time at which all
 * that was sent is paid off; a packet passes while that lies no more than burst_ns ahead.
 * Bytes are those of the IP packet.
 */
struct nx_rate {
	__u64 cost; /* ns for a byte << NX_RATE_SHIFT; 0: no limit */
	__u64 burst_ns;
};
#define NX_RATE_SHIFT 20

enum nx_at_quota {
	NX_AT_QUOTA_PORTAL,   /* as if the session were over */
	NX_AT_QUOTA_THROTTLE, /* the throttled rates from then on */
	NX_AT_QUOTA_BLOCK,    /* nothing passes, no portal either */
};

/* `policies`: array of NX_MAX_POLICIES; row 0 has no limits. A change is in force at once. */
struct nx_policy {
	struct nx_rate up, down;
	struct nx_rate throttled_up, throttled_down;
	__u64 quota_up; /* bytes, of frames as in the accounts; 0: none; all three likewise */
	__u64 quota_down;
	__u64 quota_total;
	__u32 idle_s;  /* without a packet from the client for so long the session is over; 0: never */
	__u8 at_quota; /* enum nx_at_quota */
	__u8 zero[3];
	__u64 pad[4];
};
NX_ASSERT_SIZE(struct nx_policy, 128);

/*
 * `limits`: array, memory-mapped; what one limited session has used, whichever of its keys it was.
 * narthexd hands rows out (never row 0) and fills them before an entry names them.
 */
struct nx_limits {
	__u64 used_up; /* bytes of frames */
	__u64 used_down;
	__u64 paid_up_ns; /* nx_rate: CLOCK_MONOTONIC */
	__u64 paid_down_ns;
	__u32 policy;	   /* row of `policies` */
	__u32 last_seen_s; /* of any of its keys; begins with the login */
	__u64 zero[3];
};
NX_ASSERT_SIZE(struct nx_limits, 64);

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

/* ---- DNS ---------------------------------------------------------------------------- */

/*
 * `learned`: hash, nx_key of one address -> what the garden's names admit of it. Beside `garden`,
 * never in it: what was learned can neither replace nor outlive what was configured. The names
 * are there for narthexd after a restart; the programs read `until_s` and `open` alone.
 */
struct nx_learned_name {
	__u32 until_s; /* 0: free */
	char text[NX_NAME_BYTES]; /* the name that was answered with the address */
};
struct nx_learned {
	__u32 until_s; /* second of CLOCK_BOOTTIME from which it admits nothing */
	__u32 zero;
	struct nx_garden open;
	struct nx_learned_name names[NX_LEARNED_NAMES];
};
NX_ASSERT_SIZE(struct nx_learned, 80 + 260 * NX_LEARNED_NAMES);

enum nx_dns_discipline {
	NX_DNS_OFF,
	NX_DNS_OBSERVE, /* count what would be refused, and pass it */
	NX_DNS_ENFORCE,
};

/* `clock`: array of one: CLOCK_BOOTTIME as of the last tick. */
struct nx_clock {
	__u64 now_ns;
	__u64 slot;  /* nx_cookie_slot(now_ns) */
	__u32 now_s; /* now_ns in seconds */
	__u32 zero;
};
NX_ASSERT_SIZE(struct nx_clock, 24);

#define NX_DNS_ROWS 32 /* a power of two, and more than the highest zone */

/* `dns_rules`: array of one, which has a row for each zone, memory-mapped: what may change while the
 * programs run. */
struct nx_dns_rules {
	__u8 learn;	 /* 1: the zone's garden has names */
	__u8 discipline; /* enum nx_dns_discipline, for clients without a session */
	__u8 max_label;	 /* bytes of one label of a question */
	__u8 max_name;	 /* bytes of a question's name as text */
	__u16 max_answer; /* bytes of an answer's DNS message */
	__u16 zero;
	__u64 lost; /* answers that were not copied because narthexd did not read */
};
NX_ASSERT_SIZE(struct nx_dns_rules, 16);

/* `dns_answers`: ring buffer; UDP from a resolver of the zone to a client without a session. */
struct nx_dns_answer {
	__u64 at_ns;
	struct nx_key client;
	__u32 number; /* as in `dns_unread` */
	__u16 bytes;  /* of the DNS message; what is beyond NX_MAX_ANSWER_BYTES is not there */
	__u16 client_port;
	__u32 zero;
	__u8 message[NX_MAX_ANSWER_BYTES];
};
NX_ASSERT_SIZE(struct nx_dns_answer, 40 + NX_MAX_ANSWER_BYTES);

/*
 * `dns_unread`: LRU hash, nx_key of a client -> its last answer that was copied. narthexd deletes
 * the row when it has read that answer. Until then a new connection to where the garden does not
 * lead is not refused but dropped: the client repeats it, and the address may be in the garden.
 */
struct nx_unread {
	__u64 at_ns;
	__u32 number;
	__u32 zero;
};
NX_ASSERT_SIZE(struct nx_unread, 16);

/* `dns_offenders`: LRU hash, nx_key of a client -> second of CLOCK_BOOTTIME until which its DNS
 * is refused (__u32). */

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

/* `before_login`: LRU hash, nx_key of an IPv6 client (of the shortest length that sessions of its
 * zone have) -> struct nx_before. IPv4 clients have it in their entry. */

/*
 * `sieve`: array by receive queue, of each program its own and not pinned. Counts of many clients
 * each, so that the many who send little need no count of their own, which would be a cache miss in a
 * table as large as the network (bpf/before_login.h).
 */
#define NX_SIEVE_BITS 14
struct nx_sieve {
	__u16 buckets[1 << NX_SIEVE_BITS]; /* low byte of the second << 8 | counted in it */
};

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

enum nx_forwarding {
	NX_FORWARD_KERNEL, /* XDP_PASS */
	NX_FORWARD_FIB,	   /* the classifier asks the kernel's routes and sends */
	NX_FORWARD_BRIDGE, /* out of the other port of the pair, unchanged */
};

/*
 * An interface as it is now: in the global `ports` of a program, which narthexd writes when it
 * loads the program and whenever interfaces change. The constants below only name it.
 */
struct nx_port {
	__u32 ifindex; /* of the interface; 0: not there */
	__u32 via;     /* what routes name: the VLAN interface upon it with the zone's tags, or itself */
	__u8 mac[6];
	__u16 zero;
};
NX_ASSERT_SIZE(struct nx_port, 16);

/* The interfaces that a zone's packets come from and go to. */
struct nx_ports {
	struct nx_port access;
	struct nx_port uplinks[NX_MAX_UPLINKS]; /* in the order of the configuration */
};

/* Bits of nx_zone_config.kinds: keys that sessions of the zone may have beside addresses. */
#define NX_KIND_MAC 1
#define NX_KIND_LINE 2

/* Bits of nx_zone_config.bind. */
#define NX_BIND_MAC 1	 /* an address passes with its MAC address only */
#define NX_BIND_VLAN 2	 /* a key passes from the VLANs of its first packet only */
#define NX_WATCH_MOVES 4 /* an event when a key comes from other VLANs */

/* Bits of nx_zone_config.reject: what is refused with an answer; the others are dropped. */
#define NX_REJECT_TCP 1
#define NX_REJECT_UDP 2

struct nx_zone_config {
	__u16 zone;	   /* identifier of the zone, from 1 */
	__u16 worker_base; /* index in `workers` of this interface's queue 0 */
	__u8 mode;	   /* enum nx_mode */
	__u8 pool_count;
	__u8 port_count;
	__u8 resolver_count;
	__u8 prefix_count;
	__u8 own_count;
	__u8 kinds;	 /* NX_KIND_* */
	__u8 bind;	 /* NX_BIND_* */
	__u8 forwarding; /* enum nx_forwarding */
	__u8 reject;	 /* NX_REJECT_* */
	__u8 key_length_count;
	__u8 zero;
	__u8 key_lengths[NX_MAX_KEY_LENGTHS]; /* of IPv6 sessions, longest first: 64 to 128 */
	__u8 per_second[NX_BEFORE_COUNT]; /* of one client without a session, at most NX_MOST_PER_SECOND */
	__u8 sieved[NX_BEFORE_COUNT]; /* of these in a bucket of the queue's sieve, the rest one by one */
	__u32 zeros;
	__u16 access_vlan[2]; /* tags of clients' frames, which become uplink_vlan: outer and inner, or
				 one and 0, or none */
	__u16 uplink_vlan[2];
	__u32 peer;	   /* NX_FORWARD_BRIDGE: the other port of the pair, index in nx_ports.uplinks */
	__u32 uplink_count;
	struct nx_prefix prefixes[NX_MAX_PREFIXES]; /* IPv6 prefixes of the clients */
	struct nx_pool pools[NX_MAX_POOLS];	    /* IPv4 addresses of the clients */
	__u16 ports[NX_MAX_PORTS]; /* intercepted, host order */
	__u64 resolvers[NX_MAX_RESOLVERS][2]; /* addresses, network order, v4-mapped */
	__u64 own[NX_MAX_OWN][2]; /* the gateway's own and the broadcast addresses, likewise */
	__u64 gateway[2][2]; /* sources of ICMP errors, IPv4 and IPv6, likewise; 0: the destination's */
};
NX_ASSERT_SIZE(struct nx_zone_config, 48 + 32 * NX_MAX_PREFIXES + 12 * NX_MAX_POOLS +
					      2 * NX_MAX_PORTS + 16 * NX_MAX_RESOLVERS +
					      16 * NX_MAX_OWN + 32);

/* The keys of the other zones that watch their ports (rodata `others` of an access program). */
struct nx_other_pool {
	struct nx_pool pool;
	__u32 zone;
};
NX_ASSERT_SIZE(struct nx_other_pool, 16);

struct nx_other_prefix {
	struct nx_prefix prefix;
	__u16 zone;
	__u8 key_length_count;
	__u8 zero;
	__u8 key_lengths[NX_MAX_KEY_LENGTHS];
};
NX_ASSERT_SIZE(struct nx_other_prefix, 40);

#define NX_MAX_OTHER_POOLS (NX_MAX_ZONES * NX_MAX_POOLS)
#define NX_MAX_OTHER_PREFIXES (NX_MAX_ZONES * NX_MAX_PREFIXES)
struct nx_others {
	__u32 pool_count;
	__u32 prefix_count;
	__u32 mac_zone_count;
	__u16 mac_zones[NX_MAX_ZONES]; /* whose sessions may be known by MAC address */
	__u32 zero;
	struct nx_other_pool pools[NX_MAX_OTHER_POOLS];
	struct nx_other_prefix prefixes[NX_MAX_OTHER_PREFIXES];
};
NX_ASSERT_SIZE(struct nx_others, 16 + 2 * NX_MAX_ZONES + 16 * NX_MAX_OTHER_POOLS +
					 40 * NX_MAX_OTHER_PREFIXES);

/*
 * Zones that share an interface by VLAN: each has its own program with its own constants; the one
 * that is attached (rodata `vlan_dispatch`) calls the others through `vlan_zones`, indexed by the
 * outer tag.
 */
enum nx_vlan_dispatch {
	NX_VLAN_NONE, /* the interface has one zone, whatever the tags */
	NX_VLAN_REST, /* what no entry claims belongs to this program's zone */
	NX_VLAN_ONLY, /* what no entry claims belongs to nobody */
};
#define NX_VLANS 4096

/* ---- constants of one uplink's program (rodata `uplink_config`) ---------------------- */

struct nx_uplink_config {
	__u32 zone_count;
	__u16 uplink;	/* index of this interface in nx_ports.uplinks */
	__u8 forwards;	/* bit of each enum nx_forwarding that a zone has */
	__u8 bridged;	/* 1 + index in zones of the one that this interface is the other port of; 0: none */
	struct nx_zone_config zones[NX_MAX_ZONES];
};
NX_ASSERT_SIZE(struct nx_uplink_config, 8 + NX_MAX_ZONES * sizeof(struct nx_zone_config));

#endif /* NARTHEX_BPF_ABI_H */
