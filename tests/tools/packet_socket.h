// SPDX-License-Identifier: Apache-2.0
// AF_PACKET sockets: whole Ethernet frames, without the tag of a VLAN, which the kernel removes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace narthex::tools {

class PacketSocket {
 public:
  // Ends the program with a message if the interface cannot be opened.
  explicit PacketSocket(const std::string& interface);
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;
  ~PacketSocket();

  int Descriptor() const { return descriptor_; }
  // The bytes of the next frame that another one has sent, 0 if there is none.
  size_t Receive(uint8_t* frame, size_t room);
  // False if the interface did not take it.
  bool Send(const uint8_t* frame, size_t bytes);
  // Frames that came while the socket's buffer was full, since the last call.
  uint32_t Overlooked();

 private:
  int descriptor_;
};

[[noreturn]] void Fail(const std::string& what);

// True after the first SIGTERM or SIGINT.
bool StopAsked();
void CatchStop();

}  // namespace narthex::tools
