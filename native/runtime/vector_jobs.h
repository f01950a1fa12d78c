// Jobs on flat buffers as vectors. They run on the dispatcher's thread and share their work out to the pool.
#pragma once

#include <cstdint>

#include "kernels/cpu/memory.h"
#include "runtime/thread_pool.h"

namespace soul {

// target <- source, rounded to the target's dtype. Of different dtypes, and apart.
void Cast(ThreadPool& pool, const Elements& source, const Elements& target, const Rounding& rounding,
          int64_t length);

}  // namespace soul
