// A target's shift, as kernels take it.
#pragma once

#include <cmath>

#include "kernels/float_math.h"
#include "runtime/interface.h"

namespace soul {

struct LabelShift {
  float by;      // added to the label's logit
  float factor;  // of OwnTargetFactor: expm1(by), or -expm1(-by) where by > 0
};

inline LabelShift ShiftOf(const SoulTokenTarget& target) {
  const double shift = target.shift;
  return {ToFloat(shift), ToFloat(shift > 0 ? -std::expm1(-shift) : std::expm1(shift))};
}

}  // namespace soul
