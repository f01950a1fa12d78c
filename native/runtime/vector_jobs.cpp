#include "runtime/vector_jobs.h"

#include "kernels/cpu/kernels.h"
#include "runtime/chunks.h"

namespace soul {

void Cast(ThreadPool& pool, const Elements& source, const Elements& target, const Rounding& rounding,
          int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.cast(source, target, rounding, begin, end);
  });
}

}  // namespace soul
