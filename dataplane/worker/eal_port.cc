// SPDX-License-Identifier: Apache-2.0
#include "worker/eal_port.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace narthex {
namespace {

// The AF_XDP rings of one queue: 256 to 512 keep the cache warm; the fill ring is the driver's.
constexpr uint16_t kRingEntries = 512;
// The driver parks 2048 in the fill ring, as many may wait in the others.
constexpr unsigned kPoolBuffers = 8191;
constexpr unsigned kPoolCache = 256;
constexpr size_t kLargePageBytes = 2 << 20;
// A socket of a crashed predecessor is removed by the kernel shortly after its death.
constexpr int kBindAttempts = 20;
constexpr useconds_t kBindPause_us = 50'000;
constexpr char kDriverLog[] = "pmd.net.af_xdp*";

std::vector<int> AllowedCpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  return cpus;
}

uint64_t FreeHugepagesKib() {
  std::ifstream meminfo("/proc/meminfo");
  std::string name;
  uint64_t value;
  uint64_t free_pages = 0;
  uint64_t page_kib = 0;
  while (meminfo >> name >> value) {
    if (name == "HugePages_Free:") free_pages = value;
    if (name == "Hugepagesize:") page_kib = value;
    std::getline(meminfo, name);
  }
  return free_pages * page_kib;
}

// Memory in large pages if the kernel has some to give, aligned to them; null if there is none.
// With small pages every frame costs the worker and the kernel misses of their TLBs.
void* MapLargePages(size_t bytes) {
  void* mapped = mmap(nullptr, bytes + kLargePageBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<uint8_t*>(mapped);
  const size_t before = -reinterpret_cast<uintptr_t>(begin) % kLargePageBytes;
  if (before) munmap(begin, before);
  if (before < kLargePageBytes) munmap(begin + before + bytes, kLargePageBytes - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);
  return begin + before;
}

void Unmap(rte_mempool_memhdr* chunk, void*) { munmap(chunk->addr, chunk->len); }

// As rte_pktmbuf_pool_create, but all buffers in one mapping of large pages, one behind the other:
// without hugepages DPDK gives each a small page of its own, so that they compete for the same
// few sets of each cache, and the driver's umem, which it reckons from their size, ends too soon.
rte_mempool* MakePool(const std::string& name) {
  if (rte_eal_has_hugepages()) {
    return rte_pktmbuf_pool_create(name.c_str(), kPoolBuffers, kPoolCache, 0,
                                   RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  }
  constexpr unsigned kFlags = RTE_MEMPOOL_F_NO_IOVA_CONTIG;  // no device reads it by itself
  constexpr uint32_t kElement = sizeof(rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE;
  rte_mempool* pool =
      rte_mempool_create_empty(name.c_str(), kPoolBuffers, kElement, kPoolCache,
                               sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY, kFlags);
  if (!pool) return nullptr;
  rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), nullptr);
  rte_pktmbuf_pool_init(pool, nullptr);
  // The driver's umem begins at a page and may end one behind the last buffer.
  const size_t needed =
      size_t{kPoolBuffers} * rte_mempool_calc_obj_size(kElement, kFlags, nullptr) + getpagesize();
  const size_t bytes = (needed + kLargePageBytes - 1) / kLargePageBytes * kLargePageBytes;
  void* memory = MapLargePages(bytes);
  if (!memory || rte_mempool_populate_iova(pool, static_cast<char*>(memory),
                                           reinterpret_cast<rte_iova_t>(memory), bytes, Unmap,
                                           nullptr) != kPoolBuffers) {
    rte_mempool_free(pool);
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

// Makes the pool and binds the socket. The driver loses the buffers that it took for a socket
// that could not be bound, so each attempt has a pool of its own.
rte_mempool* BindQueue(uint16_t port, const std::string& device) {
  rte_mempool* pool = MakePool("pool_" + device);
  // The driver makes the first chunk of the pool its umem: all buffers must lie in it.
  if (pool && pool->nb_mem_chunks == 1 &&
      rte_eth_rx_queue_setup(port, 0, kRingEntries, SOCKET_ID_ANY, nullptr, pool) == 0) {
    return pool;
  }
  rte_mempool_free(pool);
  return nullptr;
}

}  // namespace

bool StartEal(const Snapshot& snapshot, bool& hugepages, std::string& error) {
  if (snapshot.WorkerCount() >= RTE_MAX_LCORE || snapshot.WorkerCount() > RTE_MAX_ETHPORTS) {
    error = std::to_string(snapshot.WorkerCount()) + " workers are more than DPDK can run (" +
            std::to_string(std::min(RTE_MAX_LCORE - 1, RTE_MAX_ETHPORTS)) + ")";
    return false;
  }
  EalPlan plan = PlanEal(snapshot, FreeHugepagesKib(), AllowedCpus());
  hugepages = plan.hugepages;
  plan.arguments.insert(plan.arguments.begin(), "narthex-dataplane");
  std::vector<char*> argv;
  for (std::string& argument : plan.arguments) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    error = "DPDK does not start" +
            (rte_errno ? std::string(": ") + rte_strerror(rte_errno) : std::string()) +
            "; its own messages stand above";
    return false;
  }
  return true;
}

void StopEal() {
  const std::string directory = rte_eal_get_runtime_dir();
  rte_eal_cleanup();
  rmdir(directory.c_str());  // empty, as nothing is shared with other processes
}

std::unique_ptr<EalPort> EalPort::Open(const std::string& device, const std::string& interface,
                                       uint16_t queue, std::string& error) {
  const std::string where = interface + " queue " + std::to_string(queue) + ": ";
  std::unique_ptr<EalPort> port(new EalPort());
  const rte_eth_conf config = {};
  if (rte_eth_dev_get_port_by_name(device.c_str(), &port->port_) != 0 ||
      rte_eth_dev_configure(port->port_, 1, 1, &config) != 0 ||
      rte_eth_tx_queue_setup(port->port_, 0, kRingEntries, SOCKET_ID_ANY, nullptr) != 0) {
    error = where + "cannot make an AF_XDP device of it (has the interface this queue?)";
    return nullptr;
  }
  for (int attempt = 1; attempt <= kBindAttempts && !port->pool_; attempt++) {
    // The driver's complaints are of interest when they are the last.
    rte_log_set_level_pattern(kDriverLog, attempt < kBindAttempts ? RTE_LOG_EMERG : RTE_LOG_ERR);
    if (attempt > 1) usleep(kBindPause_us);
    port->pool_ = BindQueue(port->port_, device);
  }
  if (!port->pool_) {
    error = where + "cannot open the AF_XDP socket: does another narthex-dataplane hold the queue?";
    return nullptr;
  }
  if (rte_eth_dev_start(port->port_) != 0) {
    error = where + "cannot start the AF_XDP device";
    return nullptr;
  }
  port->started_ = true;
  return port;
}

EalPort::~EalPort() {
  if (!started_) return;
  rte_eth_dev_stop(port_);
  rte_eth_dev_close(port_);
}

}  // namespace narthex
