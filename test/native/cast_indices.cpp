// A cast of elements whose indices lie beyond 2^31 and 2^32, as pieces of a long vector do: each is rounded
// by the random bits of its index. Run by test/cuda/cast-indices.test.ts, linked with the stand-in driver;
// prints how many elements were right.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels/cuda/vector_parameters.h"
#include "kernels/random.h"
#include "kernels/storage.h"
#include "runtime/cuda/driver.h"

#define SOUL_DECLARED(name, arguments) extern "C" soul::cuda::Result name arguments;

namespace soul::cuda {

SOUL_DRIVER_FUNCTIONS(SOUL_DECLARED)

namespace {

int64_t elements = 0;

void Require(bool holds, const char* what) {
  if (holds) return;
  std::printf("%s\n", what);
  std::exit(1);
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
    ++elements;
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
  soul::cuda::CheckCasts();
  std::printf("%lld elements\n", static_cast<long long>(soul::cuda::elements));
  return 0;
}
