// What the stand-in driver plays, by the environment of the process.
//
//   SOUL_EMULATED_VERSION=12040             the driver's version: 12.4
//   SOUL_EMULATED_DEVICES=0                 how many devices there are, at most 2
//   SOUL_EMULATED_MEMORY=1000000            bytes of memory of each device
//   SOUL_EMULATED_PTX=75                    kernels were compiled by the driver, from PTX of compute_75
//   SOUL_EMULATED_FAIL=cuMemAlloc_v2:3:2    the third call of that function gives result 2; 3+: and all later
//   ones;
//                                           several with commas between; may be changed while the
//                                           process runs, all others hold from the first call on
//   SOUL_EMULATED_FAULT=5                   the fifth kernel that runs accesses an illegal address
//   SOUL_EMULATED_LOST_AFTER=10             with the launch after the tenth its device vanishes
//   SOUL_EMULATED_DELAY=20                  milliseconds that a kernel takes at least
//   SOUL_EMULATED_ORDER=7                   in which order blocks and threads run
//   SOUL_EMULATED_TRACE=calls.txt           every call of the driver is a line of that file
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace soul::emulated {

struct Scenario {
  int version = 13000;
  int devices = 2;
  std::size_t memory = std::size_t{1} << 30;
  int ptx = 0;
  int64_t fault = 0;
  int64_t lost_after = -1;
  int64_t delay = 0;
  uint64_t order = 1;
};

const Scenario& TheScenario();

// Counts and traces a call; the result it must give at once, or 0.
int Announce(const char* function);

// A further line of the trace.
void Trace(const std::string& line);

}  // namespace soul::emulated
