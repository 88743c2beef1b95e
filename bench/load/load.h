/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the load generator's programs (load.bpf.c) and narthex-load share. Addresses and ports are
 * in host order.
 */
#ifndef NARTHEX_BENCH_LOAD_LOAD_H
#define NARTHEX_BENCH_LOAD_LOAD_H

#include <linux/types.h>

#define LOAD_MAX_SLOTS 1024  /* connections in flight; a veth ring holds 256 frames */
#define LOAD_HEADER_BYTES 54 /* Ethernet, IPv4, TCP */
/* A GET is made from a SYN-ACK, in whose buffer no more room can be relied on. */
#define LOAD_MAX_REQUEST_BYTES 200
#define LOAD_MAX_FRAME_BYTES 1514
#define LOAD_FIRST_PORT 1024
/* Of a connection. The same addresses and ports come back with later numbers, or a server that
 * remembers them in TIME-WAIT would not answer. */
#define LOAD_SEQUENCES 2048
#define LOAD_RESPONSES_BYTES (64 << 20) /* ring of responses to be verified */

struct load_config {
  __u8 client_mac[6];
  __u8 gateway_mac[6];
  __u32 client_first;
  __u32 client_count; /* connection n comes from client n * stride % count */
  __u32 client_stride;
  __u32 flood_first; /* spoofed sources of the SYN flood; a power of two of them, 0: none */
  __u32 flood_mask;
  __u32 server;
  __u16 server_port;
  __u16 request_bytes;
  __u32 request_sum; /* of the request's 16-bit words, not folded */
  __u32 slots;
  __u32 status;         /* the three digits that a response must have, as "511\0"; 0: any */
  __u32 copy_responses; /* into the ring, for user space to verify */
  __u64 first_serial;   /* of every slot */
  __u64 last_serial;    /* and no connection after it */
  __u8 request[LOAD_MAX_REQUEST_BYTES];
};

enum load_state {
  LOAD_IDLE,
  LOAD_SYN_SENT,
  LOAD_REQUEST_SENT,
  LOAD_FIN_SENT,
};

/* One connection after another. Written by the program alone once its first SYN is sent; a slot
 * that stands still for the time-out is started anew by user space. */
struct load_slot {
  __u64 serial; /* connections begun */
  __u32 client;
  __u32 isn;
  __u32 heard; /* next sequence number expected from the server */
  __u32 bytes; /* of the response so far */
  __u16 port;
  __u8 state; /* enum load_state */
  __u8 wrong;
  __u32 zero[7];
};

#define LOAD_COUNTERS(X)                                                  \
  X(begun, "connections begun")                                           \
  X(completed, "with the last ACK received")                              \
  X(wrong, "of the completed, without a response or with another status") \
  X(reset, "ended by a RST")                                              \
  X(stray, "segments that belong to no connection, or out of order")      \
  X(response_bytes, "of payload received")                                \
  X(uncopied, "segments that the ring of responses had no room for")      \
  X(unmade, "segments that did not fit the frame at hand")                \
  X(flood_sent, "SYNs of the flood")                                      \
  X(flood_syn_acks, "SYN-ACKs to the flood")                              \
  X(flood_other, "other segments to the flood")                           \
  X(pushed, "frames pushed")                                              \
  X(received, "frames at the sink")

enum load_counter {
#define X(name, words) LOAD_##name,
  LOAD_COUNTERS(X)
#undef X
      LOAD_COUNTER_COUNT
};

/* A segment from the server, for user space to verify. */
struct load_segment {
  __u32 bytes;
  __u8 frame[LOAD_MAX_FRAME_BYTES + 2];
};

/* One-way traffic of `forward`. */
struct load_flow {
  __u32 client_first;
  __u32 client_count; /* packet n comes from client n * stride % count */
  __u32 client_stride;
  __u16 port; /* destination, by which the sink knows it */
  __u16 zero;
  __u32 redirect_to; /* interface, for the program `bounce` */
};

#endif /* NARTHEX_BENCH_LOAD_LOAD_H */
