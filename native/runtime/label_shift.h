// What may be added to a label's logit (SoulTokenTarget::shift). It includes nothing of the project, so that
// the engine can have it too.
#pragma once

#include <cfloat>
#include <limits>

namespace soul {

// A number that float32 can hold, or -infinity.
inline bool IsShift(double shift) {
  return (shift >= -FLT_MAX && shift <= FLT_MAX) || shift == -std::numeric_limits<double>::infinity();
}

}  // namespace soul
