#include "runtime/cuda/tuning.h"

namespace soul::cuda {
namespace {

// Sorted by architecture. With 8 float32 elements of 4 streams a thread, 256 threads keep 32 KiB in flight;
// what a multiprocessor needs for its share of the memory's bandwidth is given beside each, as the tuning of
// NVIDIA's CUB has it (cub/device/dispatch/tuning/tuning_transform.cuh): 16 KiB from 8.0 on, 32 KiB (H100) to
// 48 KiB (H200) for 9.0, 64 KiB for 10.0. `blocks` are how many of them the grid has for each multiprocessor,
// not how many are there at once: the kernels take some 100 registers a thread, which leaves room for two or
// three of 256 threads. None of these entries has been measured yet.
constexpr Tuning kTunings[] = {
    {75, 256, 4, "16 KiB in flight needed, half the threads of later architectures; not measured"},
    {80, 256, 6, "16 KiB in flight needed; not measured"},
    {86, 256, 6, "as 8.0, at most 1536 threads; not measured"},
    {90, 256, 8, "32 to 48 KiB in flight needed; not measured"},
    {100, 256, 8, "64 KiB in flight needed; not measured"},
    {120, 256, 6, "at most 1536 threads; not measured"},
};

}  // namespace

const Tuning& TuningFor(int32_t architecture) {
  const Tuning* best = &kTunings[0];
  for (const Tuning& tuning : kTunings) {
    if (tuning.architecture <= architecture) best = &tuning;
  }
  return *best;
}

}  // namespace soul::cuda
