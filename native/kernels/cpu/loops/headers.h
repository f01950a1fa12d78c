// What loops/*.inl build on, included before the target pragma of a path (paths/paths.h says why).
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/adamw.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/paths/paths.h"
#include "kernels/float_math.h"
#include "kernels/normal.h"
#include "kernels/random.h"
#include "kernels/sophia.h"
#include "kernels/storage.h"
#include "kernels/token_loss.h"
#include "kernels/token_target.h"
#include "kernels/vector_rules.h"

// Before a loop whose iterations touch different elements: its memory need not be checked for overlap.
#if defined(__clang__)
#define SOUL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define SOUL_INDEPENDENT _Pragma("GCC ivdep")
#endif
