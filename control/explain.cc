// SPDX-License-Identifier: Apache-2.0
#include "control/classifier.h"

namespace narthex {

Result<std::vector<SampleVerdict>> Classifier::Explain(const ZoneConfig&, const Address&) {
  return std::vector<SampleVerdict>();
}

}  // namespace narthex
