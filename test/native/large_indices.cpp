// What kernels do with indices beyond 2^31 and 2^32, without the memory: how tiles share out a range, and the
// random bits of a cast whose first element lies there. Run by test/cuda/large-indices.test.ts, linked with
// the stand-in driver; prints how many checks there were.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels/cuda/tiles.h"
#include "kernels/cuda/vector_parameters.h"
#include "kernels/random.h"
#include "kernels/storage.h"
#include "runtime/cuda/driver.h"

#define SOUL_DECLARED(name, arguments) extern "C" soul::cuda::Result name arguments;

namespace soul::cuda {

SOUL_DRIVER_FUNCTIONS(SOUL_DECLARED)

namespace {

int64_t checks = 0;

void Require(bool holds, const char* what) {
  ++checks;
  if (holds) return;
  std::printf("%s\n", what);
  std::exit(1);
}

// The element is visited by one round of one thread of one tile, or as a single one.
void CheckElement(const Cut& cut, int32_t group, int32_t threads, int64_t element) {
  const int64_t tiles = TilesIn(cut.end - cut.begin, threads);
  const int64_t last_grouped = cut.first + cut.groups * group;
  if (cut.groups > 0 && element >= cut.first && element < last_grouped) {
    const int64_t number = (element - cut.first) / group;
    const int64_t per_tile = TileLength(threads) / group;
    const int64_t tile = number / per_tile;
    const auto within = static_cast<int32_t>(number % per_tile);
    Require(tile < tiles, "a group lies past the last tile");
    Require(GroupOfTile(group, tile, threads, within % threads, within / threads) == number,
            "a group is another's");
    return;
  }
  const int64_t tile = cut.groups > 0 ? 0 : (element - cut.begin) / TileLength(threads);
  const int64_t i = cut.groups == 0       ? element - cut.begin - tile * TileLength(threads)
                    : element < cut.first ? element - cut.begin
                                          : element - cut.begin - cut.groups * group;
  Require(tile < tiles && i < SinglesInTile(cut, group, tile, threads), "a single element is nobody's");
  Require(SingleOfTile(cut, group, tile, threads, i) == element, "a single element is another's");
}

void CheckTiles() {
  for (const int64_t length : {(int64_t{1} << 31) - 3, (int64_t{1} << 32) + 5, (int64_t{5} << 38) + 1}) {
    for (const int64_t begin : {int64_t{0}, int64_t{7}, (int64_t{1} << 33) + 1}) {
      for (const int32_t group : {4, 8}) {
        for (const int32_t head : {-1, 0, 3}) {
          for (const int32_t threads : {32, 96, 256, 512}) {
            const Cut cut = CutOf(begin, begin + length, head, group);
            int64_t singles = 0;
            const int64_t tiles = TilesIn(length, threads);
            for (const int64_t tile : {int64_t{0}, tiles - 1}) {
              singles += SinglesInTile(cut, group, tile, threads);
            }
            if (cut.groups > 0) {
              Require(cut.groups * group + singles == length, "tiles do not make up the range");
            } else {
              Require(
                  (tiles - 1) * TileLength(threads) + SinglesInTile(cut, group, tiles - 1, threads) == length,
                  "tiles do not make up the range");
            }
            for (const int64_t at : {int64_t{0}, int64_t{1}, int64_t{8}, length / 3, length / 2 + 1,
                                     length - 9, length - 1, (int64_t{1} << 31) - 4}) {
              CheckElement(cut, group, threads, begin + at);
            }
          }
        }
      }
    }
  }
}

void CheckCast(Function function, int64_t first, int64_t skew) {
  constexpr int64_t kLength = 2003;
  std::vector<float> source(static_cast<std::size_t>(kLength));
  for (int64_t i = 0; i < kLength; ++i) source[i] = 1.0f + static_cast<float>(i) * 0x1p-13f;
  std::vector<uint16_t> target(source.size());
  Address from = 0;
  Address to = 0;
  Require(cuMemAlloc_v2(&from, (kLength + skew) * 4) == kSuccess &&
              cuMemAlloc_v2(&to, (kLength + skew) * 2) == kSuccess,
          "there is no memory");
  from += skew * 4;
  to += skew * 2;
  const Rounding rounding{true, 0x0123456789abcdef, 42};
  CastParameters parameters{reinterpret_cast<void*>(from), reinterpret_cast<void*>(to), rounding, first,
                            kLength};
  void* pointers[] = {&parameters};
  Require(cuMemcpyHtoDAsync_v2(from, source.data(), kLength * 4, nullptr) == kSuccess &&
              cuLaunchKernel(function, 3, 1, 1, 64, 1, 1, 0, nullptr, pointers, nullptr) == kSuccess &&
              cuMemcpyDtoHAsync_v2(target.data(), to, kLength * 2, nullptr) == kSuccess &&
              cuStreamSynchronize(nullptr) == kSuccess,
          "the cast failed");
  for (int64_t i = 0; i < kLength; ++i) {
    const auto element = static_cast<uint64_t>(first + i);
    const RandomKey key =
        RoundingKey(rounding.seed, Purpose::kCast, rounding.count, static_cast<uint32_t>(element >> 32));
    const uint32_t random = RoundingBits(key, static_cast<uint32_t>(element));
    Require(target[i] == BFloat16Stochastic::Round(source[i], random), "an element is rounded otherwise");
  }
}

void CheckCasts() {
  Context context = nullptr;
  Module module = nullptr;
  Function function = nullptr;
  Require(cuInit(0) == kSuccess && cuDevicePrimaryCtxRetain(&context, 0) == kSuccess &&
              cuCtxSetCurrent(context) == kSuccess && cuModuleLoadData(&module, "") == kSuccess &&
              cuModuleGetFunction(&function, module, "soul_cast_f32_bf16") == kSuccess,
          "there is no such kernel");
  for (const int64_t boundary : {int64_t{1} << 31, int64_t{1} << 32, int64_t{7} << 32}) {
    for (const int64_t skew : {0, 1, 2, 3}) CheckCast(function, boundary - 537, skew);
  }
}

}  // namespace
}  // namespace soul::cuda

int main() {
  soul::cuda::CheckTiles();
  soul::cuda::CheckCasts();
  std::printf("%lld checks\n", static_cast<long long>(soul::cuda::checks));
  return 0;
}
