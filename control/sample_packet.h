// SPDX-License-Identifier: Apache-2.0
// Packets as a client would send them, whole and with good checksums, to ask the classifier
// what it would do. Untagged Ethernet.
#ifndef NARTHEX_CONTROL_SAMPLE_PACKET_H
#define NARTHEX_CONTROL_SAMPLE_PACKET_H

#include <cstdint>
#include <string>
#include <vector>

#include "control/address.h"
#include "control/config.h"

namespace narthex {

struct SamplePacket {
  std::string description;  // "TCP SYN to port 80"
  std::vector<uint8_t> bytes;
};

// Source and destination must be of one family.
std::vector<uint8_t> TcpSyn(const Address& from, const Address& to, uint16_t port);
std::vector<uint8_t> Udp(const Address& from, const Address& to, uint16_t port,
                         const std::vector<uint8_t>& payload);

// What is worth knowing of a client in a zone.
std::vector<SamplePacket> SamplePackets(const ZoneConfig& zone, const Address& client);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SAMPLE_PACKET_H
