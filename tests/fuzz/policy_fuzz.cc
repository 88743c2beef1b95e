// SPDX-License-Identifier: Apache-2.0
// A page template into the snapshot's reader. The input is the template's text; if it does not
// begin like a page it is the whole snapshot.
//
// Oracle, by plain search and not by the checker's own reading: a page that is accepted fits one
// segment and holds the link, and holds nothing that is refused.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "policy/snapshot.h"
#include "tests/fuzz/check.h"

namespace narthex {
namespace {

constexpr char kLink[] = "http://198.51.100.20/login?a&amp;b";

std::string Policy(const std::string& page) {
  nlohmann::json zone = {{"id", 1},
                         {"name", "z"},
                         {"interface", "lan0"},
                         {"queues", 1},
                         {"worker_base", 0},
                         {"network_name", "A & <B>"},
                         {"portal_url", "http://198.51.100.20/login?a&b"}};
  zone["languages"] = {{{"tag", "en"}, {"template", {{"file", "f"}, {"text", page}}}}};
  const nlohmann::json policy = {{"version", 1},        {"instance", "i"},       {"bpffs", "/b"},
                                 {"hugepages", "auto"}, {"idle_backoff", false}, {"zones", {zone}}};
  return policy.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void CheckResponses(const ResponseSet& set) {
  const Response& response = set.Full({Answer::kHtml});
  Check(response.size <= NX_FULL_RESPONSE_BYTES);
  std::string text(response.View());
  Check(text.find(kLink) != text.npos);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  for (const char* refused : {"<form", "<script", "<iframe", "<input", "<base", "<!--", "<object",
                              "<svg", "<link", "@import", "{{"}) {
    Check(text.find(refused) == text.npos);
  }
}

void Fuzz(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const bool page = input.starts_with("<!");
  std::string error;
  const auto snapshot = ParseSnapshot(page ? Policy(input) : input, error);
  Check(snapshot || (!error.empty() && error.find('\n') == error.npos));
  if (snapshot && page) CheckResponses(snapshot->zones[0].responses);
}

}  // namespace
}  // namespace narthex

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  narthex::Fuzz(data, size);
  return 0;
}
