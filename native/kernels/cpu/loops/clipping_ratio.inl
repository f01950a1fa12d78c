// |m| / h as a step will leave them, for the rho that clips a given fraction.

namespace soul::SOUL_PATH {
namespace {

// h as the step will leave it.
SOUL_HOST_DEVICE void LoadHessian(const Elements& hessian, const HessianEstimate& estimate, int64_t from,
                                  int32_t length, float* __restrict values) {
  LoadBlock(hessian, from, length, values);
  if (!estimate.gradients) return;
  alignas(64) float gradients[kBlock];
  LoadBlock(estimate.gradients, from, length, gradients);
  for (int32_t i = 0; i < length; ++i) {
    values[i] = HessianAverage(values[i], gradients[i], estimate.decay, estimate.scale);
  }
}

SOUL_HOST_DEVICE bool IsFinite(float x) {
  return (FloatBits(x) & 0x7f800000u) != 0x7f800000u;
}

FiniteSum SumHessian(const SophiaMemory& memory, const HessianEstimate& estimate, int64_t begin,
                     int64_t end) {
  FiniteSum sum;
  FrozenBlock block;
  alignas(64) float hessian[kBlock];
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    const Frozen frozen = block.Read(memory.frozen, from, length);
    if (frozen == Frozen::kAll) return;
    const uint32_t* words = block.words();
    LoadHessian(memory.hessian, estimate, from, length, hessian);
    double lanes[kLanes] = {};
    int32_t count = 0;
    for (int32_t i = 0; i < length; ++i) {
      const bool counts = IsFinite(hessian[i]) && (frozen == Frozen::kNone || words[i] == 0);
      count += counts ? 1 : 0;
      lanes[i % kLanes] += static_cast<double>(counts ? hessian[i] : 0.0f);
    }
    for (int lane = 0; lane < kLanes; ++lane) sum.sum += lanes[lane];
    sum.count += count;
  });
  return sum;
}

void RatioKeys(const SophiaMemory& memory, const HessianEstimate& estimate, const SophiaCoefficients& c,
               float least, int64_t from, int32_t length, uint32_t* keys) {
  FrozenBlock block;
  const Frozen frozen = block.Read(memory.frozen, from, length);
  if (frozen == Frozen::kAll) {
    for (int32_t i = 0; i < length; ++i) keys[i] = kNoKey;
    return;
  }
  const uint32_t* words = block.words();
  alignas(64) float hessian[kBlock];
  alignas(64) float momentum[kBlock];
  alignas(64) float gradients[kBlock];
  LoadHessian(memory.hessian, estimate, from, length, hessian);
  LoadBlock(memory.momentum, from, length, momentum);
  LoadBlock(memory.gradients, from, length, gradients);
  for (int32_t i = 0; i < length; ++i) {
    const float ratio = Magnitude(Momentum(momentum[i], gradients[i], c)) * c.momentum_scale / hessian[i];
    const bool counts = hessian[i] > least && IsFinite(hessian[i]) && ratio == ratio;
    keys[i] = counts ? FloatBits(ratio) & 0x7fffffffu : kNoKey;
  }
  if (frozen == Frozen::kNone) return;
  for (int32_t i = 0; i < length; ++i) keys[i] |= words[i];
}

}  // namespace
}  // namespace soul::SOUL_PATH
