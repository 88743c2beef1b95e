// SPDX-License-Identifier: Apache-2.0
// One receive queue of one interface as a DPDK port (net_af_xdp), and the start of DPDK itself.
// With eal_port.cc and lcore.cc the only user of DPDK.
//
// Ownership: RxBurst hands buffers to the worker; TxBurst and Free take them back.
// Threads: opened and closed by the main thread, used by one worker.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <memory>
#include <string>

#include "policy/snapshot.h"
#include "worker/eal_plan.h"

namespace narthex {

class EalPort {
 public:
  using Buffer = rte_mbuf*;

  // `device` is the vdev's name. Null and one line in `error` on failure.
  static std::unique_ptr<EalPort> Open(const std::string& device, const std::string& interface,
                                       uint16_t queue, std::string& error);
  ~EalPort();
  EalPort(const EalPort&) = delete;
  EalPort& operator=(const EalPort&) = delete;

  uint32_t RxBurst(Buffer* buffers, uint32_t max) {
    return rte_eth_rx_burst(port_, 0, buffers, static_cast<uint16_t>(max));
  }
  uint32_t TxBurst(Buffer* buffers, uint32_t count) {
    return rte_eth_tx_burst(port_, 0, buffers, static_cast<uint16_t>(count));
  }
  void Free(Buffer* buffers, uint32_t count) { rte_pktmbuf_free_bulk(buffers, count); }

  static uint8_t* Data(Buffer buffer) { return rte_pktmbuf_mtod(buffer, uint8_t*); }
  static uint32_t Length(Buffer buffer) { return buffer->data_len; }
  static uint32_t Room(Buffer buffer) { return buffer->buf_len - buffer->data_off; }
  static void SetLength(Buffer buffer, uint32_t bytes) {
    buffer->data_len = static_cast<uint16_t>(bytes);
    buffer->pkt_len = bytes;
  }
  // The lines of a frame come from the CPU that received it: all at once, not one after the other.
  static void Prefetch(Buffer buffer) {
    constexpr uint32_t kLine = RTE_CACHE_LINE_SIZE, kMost = 8 * kLine;
    const uint32_t bytes = Length(buffer) < kMost ? Length(buffer) : kMost;
    for (uint32_t at = 0; at < bytes; at += kLine) rte_prefetch0(Data(buffer) + at);
  }

 private:
  EalPort() = default;

  rte_mempool* pool_ = nullptr;
  uint16_t port_ = 0;
  bool started_ = false;
};

// Starts DPDK; one line in `error` on failure. Says which memory it took in `hugepages`.
bool StartEal(const Snapshot& snapshot, bool& hugepages, std::string& error);
void StopEal();

}  // namespace narthex
