#pragma once

#include <cstdint>

namespace soul::trials {

struct SumParameters {
  const float* values;
  int64_t count;
  double* partial;
  uint32_t* blocks_done;
  double* total;
  bool wait;
};

struct LanesParameters {
  uint64_t* down;
  uint32_t* across;
  uint32_t* ballots;
  uint64_t* counter;
};

enum class Wrong : int32_t {
  kNothing,
  kEndsBeforeBarrier,
  kOtherCollective,
  kMisaligned,
  kWideBeyondEnd,
  kWritesPastEnd,
  kWritesBefore,
  kReadsFarBeyond,
  kReadsElsewhere,
  kSharedIndex,
};

struct WrongParameters {
  float* memory;
  int64_t count;
  const float* elsewhere;
  Wrong wrong;
};

}  // namespace soul::trials
