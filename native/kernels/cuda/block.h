// The shape of a block, for host and device.
#pragma once

#include <cstdint>

namespace soul {

constexpr int32_t kWarp = 32;
constexpr int32_t kMostThreads = 512;

}  // namespace soul
