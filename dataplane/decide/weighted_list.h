// SPDX-License-Identifier: Apache-2.0
// Reading a list with weights: `a, b;q=0.5` (RFC 9110 §5.6.1, §12.4.2).
#pragma once

#include <algorithm>
#include <string_view>

#include "parse/http_chars.h"

namespace narthex {

inline std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The part before `separator`, which is removed from `rest` together with it.
inline std::string_view Take(std::string_view& rest, char separator) {
  const size_t bytes = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, bytes);
  rest.remove_prefix(std::min(bytes + 1, rest.size()));
  return Trim(part);
}

// qvalue in thousandths (RFC 9110 §12.4.2); what is none counts as 1.
inline int ReadWeight(std::string_view value) {
  if (value.empty() || value[0] != '0') return 1000;
  int thousandths = 0;
  int place = 100;
  for (size_t i = 2; i < value.size() && i < 5 && Is(value[i], kDigitChar); i++, place /= 10) {
    thousandths += (value[i] - '0') * place;
  }
  return thousandths;
}

// The weight among the parameters of an element, in thousandths; 1000 if there is none.
inline int WeightOf(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = Take(parameters, ';');
    if (parameter.size() > 2 && (parameter[0] == 'q' || parameter[0] == 'Q') &&
        parameter[1] == '=') {
      return ReadWeight(parameter.substr(2));
    }
  }
  return 1000;
}

}  // namespace narthex
