// The sum of the squares of a gradient.

namespace soul::SOUL_PATH {
namespace {

// A sum of squares in double. The square of element i goes to lane i mod kLanes, so the sum does not depend
// on how a range is cut into blocks.
class SquareSum {
 public:
  // Adds elements [from, from + length); one whose word in `frozen` is ones is 0.
  SOUL_HOST_DEVICE void Add(const Elements& elements, const uint32_t* frozen, int64_t from, int32_t length) {
    if (elements.dtype == DType::kFloat32) {
      AddElements<Float32>(elements, frozen, from, length);
    } else if (frozen != nullptr) {
      AddElements<BFloat16Nearest>(elements, frozen, from, length);
    } else {
      const int32_t paired = length / (2 * kPairLanes) * (2 * kPairLanes);
      AddPairs(PairsAt(elements, from), from, paired / 2);
      AddElements<BFloat16Nearest>(elements, frozen, from + paired, length - paired);
    }
  }

  SOUL_HOST_DEVICE double Total() const {
    double sum = 0;
    for (const double lane : lanes_) sum += lane;
    return sum;
  }

 private:
  static constexpr int32_t kPairLanes = kLanes / 2;

  template <typename Storage>
  SOUL_HOST_DEVICE void AddElements(const Elements& elements, const uint32_t* frozen, int64_t from,
                                    int32_t length) {
    const auto* const own = At<typename Storage::Element>(elements, from);
    if (frozen == nullptr) {
      AddBlock<Storage, false>(own, frozen, from, length);
    } else {
      AddBlock<Storage, true>(own, frozen, from, length);
    }
  }

  // A whole number of rows of kPairLanes pairs.
  SOUL_HOST_DEVICE void AddPairs(const Pair* pairs, int64_t from, int32_t count) {
    const auto lane_of = [=](int32_t i) { return static_cast<int32_t>((from + i) % kLanes); };
    double first[kPairLanes];
    double second[kPairLanes];
    for (int32_t lane = 0; lane < kPairLanes; ++lane) {
      first[lane] = lanes_[lane_of(2 * lane)];
      second[lane] = lanes_[lane_of(2 * lane + 1)];
    }
    for (int32_t i = 0; i < count; i += kPairLanes) {
      for (int32_t lane = 0; lane < kPairLanes; ++lane) {
        const auto x = static_cast<double>(First(pairs[i + lane]));
        first[lane] += x * x;
      }
      for (int32_t lane = 0; lane < kPairLanes; ++lane) {
        const auto x = static_cast<double>(Second(pairs[i + lane]));
        second[lane] += x * x;
      }
    }
    for (int32_t lane = 0; lane < kPairLanes; ++lane) {
      lanes_[lane_of(2 * lane)] = first[lane];
      lanes_[lane_of(2 * lane + 1)] = second[lane];
    }
  }

  template <typename Storage, bool kSomeFrozen>
  SOUL_HOST_DEVICE void AddBlock(const typename Storage::Element* elements, const uint32_t* frozen,
                                 int64_t from, int32_t length) {
    const auto square = [=](int32_t i) __attribute__((always_inline)) {
      float x = Storage::Load(elements[i]);
      if constexpr (kSomeFrozen) x = FloatFromBits(FloatBits(x) & ~frozen[i]);
      return static_cast<double>(x) * static_cast<double>(x);
    };
    const auto first = static_cast<int32_t>(from % kLanes);
    double lanes[kLanes];
    for (int32_t lane = 0; lane < kLanes; ++lane) lanes[lane] = lanes_[(first + lane) % kLanes];
    int32_t i = 0;
    for (; i + kLanes <= length; i += kLanes) {
      for (int32_t lane = 0; lane < kLanes; ++lane) lanes[lane] += square(i + lane);
    }
    for (int32_t lane = 0; i + lane < length; ++lane) lanes[lane] += square(i + lane);
    for (int32_t lane = 0; lane < kLanes; ++lane) lanes_[(first + lane) % kLanes] = lanes[lane];
  }

  double lanes_[kLanes] = {};
};

}  // namespace
}  // namespace soul::SOUL_PATH
