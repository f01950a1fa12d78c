// The library exports every function that the addon looks for, with the arguments it will call it with.
#include <type_traits>

#include "runtime/cuda/driver.h"

#define SOUL_DECLARED(name, arguments) extern "C" soul::cuda::Result name arguments;
using namespace soul::cuda;
SOUL_DRIVER_FUNCTIONS(SOUL_DECLARED)

namespace {
// Not linked, were one of them missing.
[[maybe_unused, gnu::used]] const Driver exported = {
#define SOUL_NAMED(name, arguments) name,
    SOUL_DRIVER_FUNCTIONS(SOUL_NAMED)
#undef SOUL_NAMED
};
}  // namespace
