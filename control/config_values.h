// SPDX-License-Identifier: Apache-2.0
// The single values of the configuration, each from its text. Errors say what is wanted and
// name no file: config.cc knows where the text stood.
#ifndef NARTHEX_CONTROL_CONFIG_VALUES_H
#define NARTHEX_CONTROL_CONFIG_VALUES_H

#include <chrono>
#include <string>
#include <string_view>

#include "control/config.h"
#include "control/error.h"

namespace narthex {

Outcome CheckInstanceName(std::string_view text);
Outcome CheckZoneName(std::string_view text);
Outcome CheckPolicyName(std::string_view text);
Outcome CheckInterfaceName(std::string_view text);
// Text that goes into a page and a log line: not empty, at most 64 bytes, no control characters.
Outcome CheckNetworkName(std::string_view text);
// Any other text of the page, at most 300 bytes.
Outcome CheckPageText(std::string_view text);
// "de", "zh-Hant" (RFC 5646); which ones exist is not checked.
Outcome CheckLanguageTag(std::string_view text);
Outcome CheckAbsolutePath(std::string_view text);

// "30d": a number and a unit s, m, h or d; at least one second, at most ten years.
Result<std::chrono::seconds> ParseDuration(std::string_view text);
// "2Mbit/s": a number, which may have a fraction, and kbit/s, Mbit/s or Gbit/s; bits a second, from
// 8 kbit/s to 100 Gbit/s.
Result<uint64_t> ParseRate(std::string_view text);
// "1GB": likewise, kB, MB, GB and TB (powers of 1000) or KiB, MiB, GiB and TiB; bytes.
Result<uint64_t> ParseBytes(std::string_view text);
// "80" or "8000-8010".
Result<PortRange> ParsePortRange(std::string_view text);

// "100" or "100.7", outer tag first; each 1 to 4094.
Result<VlanTags> ParseVlanTags(std::string_view text);

// Checks an absolute http(s) URL that can stand in a header and in a page without escaping.
struct PortalUrl {
  std::string host;  // IPv6 without brackets
  uint16_t port = 0;
};
Result<PortalUrl> ParsePortalUrl(std::string_view text);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CONFIG_VALUES_H
