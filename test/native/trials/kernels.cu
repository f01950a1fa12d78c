// Kernels with one thing wrong each, for a test of the emulator itself.
#include "kernels/cuda/device.h"
#include "trials/parameters.h"

namespace soul::trials {

SOUL_DEVICE double SumOfWarp(double value) {
  for (int32_t distance = kWarp / 2; distance > 0; distance /= 2) value += ShuffleDown(value, distance);
  return value;
}

// Everything a kernel may use: a reduction over warps, blocks and the last block.
SOUL_KERNEL(soul_trial_sum, SumParameters) {
  SOUL_SHARED(double, sums, kMostThreads / kWarp);
  SOUL_SHARED(uint32_t, arrived, 1);
  double sum = 0;
  const int64_t stride = BlockCount() * ThreadCount();
  for (int64_t i = BlockIndex() * ThreadCount() + ThreadIndex(); i < parameters.count; i += stride) {
    sum += static_cast<double>(parameters.values[i]);
  }
  sum = SumOfWarp(sum);
  if (ThreadIndex() % kWarp == 0) sums[ThreadIndex() / kWarp] = sum;
  if (parameters.wait) Barrier();
  if (ThreadIndex() == 0) {
    double of_block = 0;
    for (int32_t warp = 0; warp < ThreadCount() / kWarp; ++warp) of_block += sums[warp];
    parameters.partial[BlockIndex()] = of_block;
    arrived[0] = AtomicCount(parameters.blocks_done);
  }
  Barrier();
  if (arrived[0] + 1 == static_cast<uint32_t>(BlockCount()) && ThreadIndex() == 0) {
    double total = 0;
    for (int64_t block = 0; block < BlockCount(); ++block) total += parameters.partial[block];
    parameters.total[0] = total;
  }
}

SOUL_KERNEL(soul_trial_lanes, LanesParameters) {
  const auto mine = static_cast<uint64_t>(ThreadIndex() + 1) << 32;
  parameters.down[ThreadIndex()] = ShuffleDown(mine, 3);
  parameters.across[ThreadIndex()] = ShuffleXor(static_cast<uint32_t>(ThreadIndex()), 16);
  parameters.ballots[ThreadIndex()] = Ballot(ThreadIndex() % 3 == 0);
  AtomicAdd(parameters.counter, uint64_t{2});
}

// One wrong thing in thread 9 of block 1.
SOUL_KERNEL(soul_trial_wrong, WrongParameters) {
  SOUL_SHARED(int32_t, shared, kWarp);
  float* const memory = parameters.memory;
  if (BlockIndex() == 1 && ThreadIndex() == 9) {
    switch (parameters.wrong) {
      case Wrong::kNothing:
        break;
      case Wrong::kEndsBeforeBarrier:
        return;
      case Wrong::kOtherCollective:
        Ballot(true);
        break;
      case Wrong::kMisaligned:
        LoadWords4(memory + 1);
        break;
      case Wrong::kWideBeyondEnd:
        LoadWords4(memory + parameters.count / 4 * 4);
        break;
      case Wrong::kWritesPastEnd:
        memory[parameters.count] = 1;
        break;
      case Wrong::kWritesBefore:
        memory[-1] = 1;
        break;
      case Wrong::kReadsFarBeyond:
        memory[0] = memory[parameters.count + 100000];
        break;
      case Wrong::kReadsElsewhere:
        memory[0] = *parameters.elsewhere;
        break;
      case Wrong::kSharedIndex:
        shared[parameters.count + 1] = 1;
        break;
    }
  }
  Barrier();
}

}  // namespace soul::trials
