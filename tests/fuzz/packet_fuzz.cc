// SPDX-License-Identifier: Apache-2.0
// Any frame into the packet parser. Oracle: what is accepted lies inside the frame.
#include <vector>

#include "parse/packet.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  // In memory of exactly its size, so that ASan sees an over-read.
  std::vector<uint8_t> copy(data, data + size);
  copy.shrink_to_fit();
  const std::span<const uint8_t> frame(copy);
  Packet packet;
  if (ParsePacket(frame, packet) != ParseResult::kOk) return 0;
  Check(packet.ip_offset >= 14 && packet.tcp_offset >= packet.ip_offset + 20);
  Check(packet.payload_offset >= packet.tcp_offset + 20);
  Check(packet.payload_offset + packet.payload_bytes <= size);
  (void)VerifyChecksums(frame, packet);
  return 0;
}
