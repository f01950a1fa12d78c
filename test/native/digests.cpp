// Prints a digest of what every kernel computes, and fails where an instruction set, a number of threads or
// a stride between rows changes a bit of it, or where the thread pool shares pieces out wrongly.
//
//   digests [elements]
//
// Needs nothing but the kernels and the thread pool, so it runs under ThreadSanitizer, under emulators of
// other processors, and its output can be compared from machine to machine. scripts/test-native.mjs builds
// and runs it.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "kernels/random.h"
#include "runtime/optimizer_jobs.h"
#include "runtime/vector_jobs.h"

namespace soul {
namespace {

// Memory of one dtype that starts unaligned, filled with numbers in [-1, 1), zeros, denormals and some near the
// ends of float32: all that is odd but NaN, whose bits are the processor's.
class Buffer {
 public:
  Buffer(DType dtype, int64_t length, uint64_t stream)
      : dtype_(dtype), bytes_(static_cast<std::size_t>(length + kSkew) * SizeOf(dtype)) {
    const RandomKey key = KeyOf(stream, 0);
    const float odd[] = {0.0f, -0.0f, 1e-42f, -1e-39f, 3e38f, -3e38f, 1e-20f};
    for (int64_t i = 0; i < length; ++i) {
      const uint32_t bits = RandomBits(key, static_cast<uint32_t>(i));
      const float number = i % 97 == 0 ? odd[(i / 97) % 7] : static_cast<float>(bits) * 0x1p-31f - 1.0f;
      if (dtype == DType::kFloat32) static_cast<float*>(data())[i] = number;
      if (dtype == DType::kBFloat16) static_cast<uint16_t*>(data())[i] = ToBFloat16(number);
      if (dtype == DType::kUint8)
        static_cast<uint8_t*>(data())[i] = i % 500 < 200 ? 0 : static_cast<uint8_t>(bits);
    }
  }

  void* data() { return bytes_.data() + kSkew * SizeOf(dtype_); }
  Elements elements() { return {data(), dtype_}; }
  template <typename Element>
  Element* as() {
    return static_cast<Element*>(data());
  }

  void AddTo(uint64_t& digest) const {
    for (const char byte : bytes_) digest = (digest ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  }

 private:
  static constexpr int64_t kSkew = 3;
  DType dtype_;
  std::vector<char> bytes_;
};

constexpr uint64_t kEmptyDigest = 0xcbf29ce484222325u;

void Add(uint64_t& digest, double number) {
  digest = (digest ^ std::bit_cast<uint64_t>(number)) * 0x100000001b3u;
}

struct Storage {
  const char* name;
  DType values;
  bool master;
  DType states;
  bool stochastic;
};

constexpr Storage kStorages[] = {
    {"f32", DType::kFloat32, false, DType::kFloat32, false},
    {"f32, bf16 states", DType::kFloat32, false, DType::kBFloat16, true},
    {"bf16 with master", DType::kBFloat16, true, DType::kFloat32, false},
    {"bf16 with master, bf16 states", DType::kBFloat16, true, DType::kBFloat16, false},
    {"bf16, f32 states", DType::kBFloat16, false, DType::kFloat32, true},
    {"bf16", DType::kBFloat16, false, DType::kBFloat16, true},
    {"bf16, nearest", DType::kBFloat16, false, DType::kBFloat16, false},
};

uint64_t OptimizerDigest(ThreadPool& pool, const Storage& storage, bool adamw, bool masked, int64_t length) {
  Buffer values(storage.values, length, 1), gradients(storage.values, length, 2),
      other(DType::kFloat32, length, 3);
  Buffer master(DType::kFloat32, length, 1), first(storage.states, length, 4),
      second(storage.states, length, 5);
  Buffer mask(DType::kUint8, (length + 7) / 8, 6);
  // The second moment is not negative.
  AddScaled(pool, -1, second.elements(), second.elements(), {}, length);
  const ParameterMemory parameters{values.elements(), storage.master ? master.as<float>() : nullptr,
                                   gradients.elements(), masked ? mask.as<uint8_t>() : nullptr};
  const std::vector<Segment> segments{{11, length / 3, 1, 0, false}, {length / 3, length, 0.5, NAN, true}};
  double control[kControlSlots] = {0, NAN, 0, 0, 0, 0, 0};
  uint64_t digest = kEmptyDigest;
  StepReport report;
  if (adamw) {
    StepSettings settings;
    settings = {0.01, 0.1, 0.9, 0.99, 1e-8, 5, false, true, true, storage.stochastic, 9};
    const AdamWMemory memory{parameters, first.elements(), second.elements()};
    report = RunAdamWStep(pool, control, memory, length, segments, settings);
  } else {
    const HessianSettings hessian{0.99, 4, 0, 1, true, true, storage.stochastic, 9};
    RunHessianUpdate(pool, control, second.elements(), other.elements(), parameters.frozen, length, hessian);
    SophiaSettings settings;
    static_cast<StepSettings&>(settings) = {
        0.01, 0.1, 0.9, 0.99, 1e-15, 5, false, true, true, storage.stochastic, 9};
    settings.clipped_fraction = 0.3;
    settings.estimate_from = other.elements();
    settings.batch_size = 2;
    const SophiaMemory memory{parameters, first.elements(), second.elements()};
    report = RunSophiaStep(pool, control, memory, length, segments, settings);
  }
  for (const Buffer* buffer : {&values, &gradients, &master, &first, &second}) buffer->AddTo(digest);
  for (const double number : control) Add(digest, number);
  Add(digest, report.gradient_norm);
  for (const SegmentCounts& counts : report.segments) {
    Add(digest, static_cast<double>(counts.clipped));
    Add(digest, static_cast<double>(counts.changed));
  }
  return digest;
}

uint64_t VectorDigest(ThreadPool& pool, DType dtype, int64_t length) {
  Buffer a(dtype, length, 1), b(DType::kFloat32, length, 2), narrow(DType::kBFloat16, length, 3);
  uint64_t digest = kEmptyDigest;
  const Elements vectors[] = {a.elements(), b.elements(), narrow.elements()};
  const InnerProducts products = ProductsOfPairs(pool, vectors, 3, length);
  uint64_t bits[sizeof(products) / 8] = {};
  std::memcpy(bits, &products, sizeof(products));
  for (const uint64_t word : bits) digest = (digest ^ word) * 0x100000001b3u;
  Add(digest, InnerProduct(pool, a.elements(), b.elements(), length));
  Add(digest, static_cast<double>(CountNonFinite(pool, a.elements(), length)));
  AddScaled(pool, 0.3f, a.elements(), b.elements(), {}, length);
  AddScaled(pool, 0.7f, narrow.elements(), narrow.elements(), {}, length);
  Buffer zeros(DType::kUint8, (length + 7) / 8, 4);
  AddSign(pool, 0.01f, a.elements(), b.elements(), {}, length);
  AddSign(pool, 0.02f, narrow.elements(), narrow.elements(), {true, 7, 3}, length);
  Buffer frozen(DType::kUint8, (length + 7) / 8, 6);
  AddNormal(pool, 0.03f, {7, 5}, a.elements(), b.elements(), nullptr, {}, length);
  AddNormal(pool, 0.04f, {7, 6}, narrow.elements(), narrow.elements(), frozen.as<uint8_t>(), {true, 7, 6}, length);
  SoftThreshold(pool, 0.1f, b.elements(), frozen.as<uint8_t>(), {}, length);
  SoftThreshold(pool, 0.2f, narrow.elements(), frozen.as<uint8_t>(), {true, 7, 4}, length);
  SoftThreshold(pool, 0.05f, narrow.elements(), nullptr, {}, length);
  FillFrozen(pool, a.elements(), frozen.as<uint8_t>(), 0.25f, length);
  MaskZeros(pool, a.elements(), zeros.as<uint8_t>(), length);
  zeros.AddTo(digest);
  Buffer nearest(DType::kBFloat16, length, 5);
  Cast(pool, b.elements(), nearest.elements(), {}, length);
  nearest.AddTo(digest);
  Add(digest, Quantile(pool, {MagnitudeOf::kElement, a.elements(), {}}, 0.4, length));
  Add(digest, Quantile(pool, {MagnitudeOf::kProduct, a.elements(), b.elements()}, 0.1, length));
  Cast(pool, b.elements(), narrow.elements(), {true, 7, 1}, length);
  Scale(pool, 1.7f, a.elements(), {true, 7, 2}, length);
  Add(digest, Quantile(pool, {MagnitudeOf::kRatio, b.elements(), a.elements()}, 0.2, length));
  for (const Buffer* buffer : {&a, &b, &narrow}) buffer->AddTo(digest);
  return digest;
}

// Numbers of 3e38 are no logits.
Buffer Logits(DType dtype, int64_t length, uint64_t stream) {
  Buffer wide(DType::kFloat32, length, stream);
  for (int64_t i = 0; i < length; ++i) {
    float& logit = wide.as<float>()[i];
    logit = std::fabs(logit) > 1 ? -INFINITY : logit * 12;
  }
  if (dtype == DType::kFloat32) return wide;
  Buffer narrow(dtype, length, stream);
  for (int64_t i = 0; i < length; ++i) narrow.as<uint16_t>()[i] = ToBFloat16(wide.as<float>()[i]);
  return narrow;
}

// Rows of logits that start unaligned, with elements before, between and after them that are NaN: a digest tells
// where one was read or written.
class SpacedRows {
 public:
  SpacedRows(DType dtype, int64_t rows, int64_t vocabulary, int64_t gap, uint64_t stream)
      : view_{nullptr, rows, vocabulary, vocabulary + gap, static_cast<uint32_t>(dtype)},
        size_(static_cast<int64_t>(SizeOf(dtype))),
        bytes_(static_cast<std::size_t>((kSkew + rows * view_.stride) * size_), kGap) {
    Buffer dense = Logits(dtype, rows * vocabulary, stream);
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(bytes_.data() + Begin(row), dense.as<char>() + row * vocabulary * size_,
                  static_cast<std::size_t>(vocabulary * size_));
    }
  }

  SoulTokenRows view() {
    SoulTokenRows view = view_;
    view.logits = bytes_.data() + Begin(0);
    return view;
  }

  void AddTo(uint64_t& digest) const {
    const int64_t in_row = view_.vocabulary * size_, apart = view_.stride * size_;
    int64_t written = 0;
    for (int64_t i = 0; i < static_cast<int64_t>(bytes_.size()); ++i) {
      const char byte = bytes_[static_cast<std::size_t>(i)];
      if (i >= Begin(0) && (i - Begin(0)) % apart < in_row) {
        digest = (digest ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
      } else {
        written += byte == kGap ? 0 : 1;
      }
    }
    Add(digest, static_cast<double>(written));
  }

 private:
  static constexpr int64_t kSkew = 3;
  static constexpr char kGap = '\xff';

  int64_t Begin(int64_t row) const { return (kSkew + row * view_.stride) * size_; }

  SoulTokenRows view_;
  int64_t size_;
  std::vector<char> bytes_;
};

// The same for any `gap` between rows.
uint64_t TokenDigest(DType dtype, DType other_dtype, int64_t rows, int64_t vocabulary, int64_t gap) {
  SpacedRows logits(dtype, rows, vocabulary, gap, 1), other(other_dtype, rows, vocabulary, gap, 2);
  const auto count = static_cast<std::size_t>(rows);
  std::vector<float> sums(count), nll(count), mean(count), variance(count), divergence(count),
      reference(count);
  std::vector<uint8_t> argmax(count);
  std::vector<int32_t> sampled(count);
  const SoulTokenRows view = logits.view(), other_view = other.view();
  SoulTokenScores scores{};
  scores.log_sum_exp = sums.data();
  scores.nll = nll.data();
  scores.is_argmax = argmax.data();
  scores.mean_log_p = mean.data();
  scores.variance_log_p = variance.data();
  scores.sampled_labels = sampled.data();
  scores.sample_seed = 5;
  const CpuKernels& kernels = ActiveKernels();
  kernels.score_tokens(&view, &scores);
  kernels.score_divergence(&view, &other_view, divergence.data(), sums.data(), reference.data());
  const std::vector<float> weights(count, 0.3f);
  uint64_t digest = kEmptyDigest;
  for (const auto* figures : {&sums, &nll, &mean, &variance, &divergence, &reference}) {
    for (const float figure : *figures) Add(digest, figure);
  }
  for (const int32_t label : sampled) Add(digest, label);
  for (const uint8_t flag : argmax) Add(digest, flag);
  SpacedRows copy = logits;
  const SoulTokenRows copy_view = copy.view();
  kernels.divergence_gradient(&copy_view, &other_view, weights.data(), sums.data(), reference.data());
  copy.AddTo(digest);
  for (const SoulTokenRows* compared : {static_cast<const SoulTokenRows*>(nullptr), &other_view}) {
    for (const double shift : {-10.0, 2.5, -static_cast<double>(INFINITY)}) {
      if (std::isinf(shift) && vocabulary == 1) continue;  // a target of no token is NaN
      const SoulTokenTarget target{sampled.data(), shift, mean.data(), reference.data(), variance.data()};
      SpacedRows rows_copy = logits;
      const SoulTokenRows rows_view = rows_copy.view();
      kernels.score_target(&rows_view, compared, &target, divergence.data());
      kernels.target_gradient(&rows_view, compared, &target, weights.data());
      for (const auto* figures : {&divergence, &mean, &reference, &variance}) {
        for (const float figure : *figures) Add(digest, figure);
      }
      rows_copy.AddTo(digest);
    }
  }
  kernels.token_gradient(&view, sampled.data(), weights.data(), sums.data());
  logits.AddTo(digest);
  return digest;
}

std::map<std::string, uint64_t> TokenDigests(int64_t gap) {
  std::map<std::string, uint64_t> digests;
  for (const auto& [name, dtype, reference] :
       {std::tuple{"tokens f32 ", DType::kFloat32, DType::kFloat32},
        std::tuple{"tokens bf16 ", DType::kBFloat16, DType::kBFloat16},
        std::tuple{"tokens bf16, f32 reference ", DType::kBFloat16, DType::kFloat32},
        std::tuple{"tokens f32, bf16 reference ", DType::kFloat32, DType::kBFloat16}}) {
    for (const int64_t vocabulary : {1, 17, 1024, 2501}) {
      digests[name + std::to_string(vocabulary)] = TokenDigest(dtype, reference, 5, vocabulary, gap);
    }
  }
  return digests;
}

std::map<std::string, uint64_t> AllDigests(ThreadPool& pool, int64_t length) {
  std::map<std::string, uint64_t> digests;
  for (const Storage& storage : kStorages) {
    for (const bool adamw : {false, true}) {
      for (const bool masked : {false, true}) {
        const std::string name =
            std::string(adamw ? "adamw " : "sophia ") + storage.name + (masked ? ", frozen" : "");
        digests[name] = OptimizerDigest(pool, storage, adamw, masked, length);
      }
    }
  }
  digests["vectors f32"] = VectorDigest(pool, DType::kFloat32, length);
  digests["vectors bf16"] = VectorDigest(pool, DType::kBFloat16, length);
  digests.merge(TokenDigests(0));
  return digests;
}

// Jobs of a few pieces on a pool that had many before: every piece once, and no more workers than pieces.
int PoolFaults() {
  constexpr int kPieces = 4;
  ThreadPool pool(8);
  int faults = 0;
  for (const int64_t pieces : {1000, kPieces, kPieces + 1, 3, kPieces}) {
    for (int job = 0; job < 500; ++job) {
      std::vector<std::atomic<int>> taken(static_cast<std::size_t>(pieces));
      std::atomic<int> largest{0};
      pool.ForEach(pieces, [&](int64_t piece, int worker) {
        ++taken[static_cast<std::size_t>(piece)];
        int seen = largest;
        while (worker > seen && !largest.compare_exchange_weak(seen, worker)) {
        }
        // Long enough for every worker that was woken to come.
        if (pieces <= kPieces + 1) std::this_thread::sleep_for(std::chrono::microseconds(20));
      });
      for (const std::atomic<int>& times : taken) faults += times == 1 ? 0 : 1;
      faults += largest < pool.WorkersFor(pieces) && largest < pieces ? 0 : 1;
    }
  }
  if (faults > 0) std::printf("THE POOL shared pieces out wrongly %d times\n", faults);
  return faults;
}

int Run(int64_t length) {
  if (PoolFaults() > 0) return 1;
  ThreadPool alone(1);
  UseKernels(SupportedKernels().back()->name);
  const std::map<std::string, uint64_t> expected = AllDigests(alone, length);
  for (const auto& [name, digest] : expected)
    std::printf("%016llx %s\n", static_cast<unsigned long long>(digest), name.c_str());
  int different = 0;
  for (const CpuKernels* kernels : SupportedKernels()) {
    UseKernels(kernels->name);
    const auto compare = [&](const std::map<std::string, uint64_t>& digests, const std::string& how) {
      for (const auto& [name, digest] : digests) {
        if (digest == expected.at(name)) continue;
        std::printf("DIFFERS %s: %s %s\n", name.c_str(), kernels->name, how.c_str());
        ++different;
      }
    };
    for (const int threads : {1, 2, 8}) {
      ThreadPool pool(threads);
      compare(AllDigests(pool, length), "with " + std::to_string(threads) + " threads");
    }
    compare(TokenDigests(5), "with rows apart");
    std::printf("compared %s\n", kernels->name);
  }
  return different == 0 ? 0 : 1;
}

}  // namespace
}  // namespace soul

int main(int count, char** words) {
  return soul::Run(count > 1 ? std::atoll(words[1]) : 40 * 16384 + 777);
}
