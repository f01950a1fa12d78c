// What the calls on rows of logits share.
//
// Rows are dense: stride = vocabulary. Logits are float32 or bfloat16, a reference's whatever the model's
// are; they may lie on a device. What has one entry per row is an array of the host in either case: where it
// is filled by a device, it is so when the promise resolves.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/work.h"
#include "runtime/interface.h"
#include "runtime/thread_pool.h"

namespace soul {

struct Rows {
  FlatMemory logits;
  SoulTokenRows rows;
};

Rows ReadRows(const Napi::Value& value, const char* name, int64_t vocabulary);

// Of two rows that belong together; throws where they do not.
int32_t ReadDeviceOfRows(Napi::Env env, const Rows& rows, const Rows& reference);

int64_t ReadVocabulary(const Napi::Value& value);

// Elements that are worth a thread's turn.
constexpr int64_t kGrain = 32768;

// Calls work(first, count) for pieces of the rows, on the pool.
template <typename Work>
void ForRows(ThreadPool& pool, const SoulTokenRows& rows, const Work& work) {
  const int64_t grain = std::max<int64_t>(1, kGrain / rows.vocabulary);
  // Two pieces are worth two threads, since a piece may be one long row.
  pool.ForEach((rows.rows + grain - 1) / grain,
               [&](int64_t piece, int) {
                 const int64_t first = piece * grain;
                 work(first, std::min(grain, rows.rows - first));
               },
               2);
}

SoulTokenRows PartOf(const SoulTokenRows& rows, int64_t first, int64_t count);

// The element of a row, where there are any.
template <typename Element>
Element* From(Element* rows, int64_t first) {
  return rows == nullptr ? nullptr : rows + first;
}

// A checked copy, since JavaScript can still write to the array. False when a label is out of range.
bool CopyLabels(const int32_t* labels, const SoulTokenRows& rows, std::vector<int32_t>* copy);

Outcome BadLabel();

// An array of the host on the device, for the job that is being enqueued.
template <typename Element>
const Element* Upload(cuda::Queue& queue, const Element* entries, int64_t rows) {
  auto* const memory = queue.Scratch<Element>(rows);
  queue.Upload(memory, entries, static_cast<std::size_t>(rows) * sizeof(Element));
  return memory;
}

// Arrays of the host that a device fills.
class Results {
 public:
  Results(cuda::Queue& queue, int64_t rows) : queue_(queue), rows_(rows) {}

  // Device memory for an array; none for none.
  template <typename Element>
  Element* For(Element* array) {
    if (array == nullptr) return nullptr;
    auto* const memory = queue_.Scratch<Element>(rows_);
    results_.push_back({array, memory, static_cast<std::size_t>(rows_) * sizeof(Element), nullptr});
    return memory;
  }

  // To be called when everything is enqueued that writes them.
  DeviceOutcome Read() {
    for (Result& result : results_) result.copy = queue_.Read(result.memory, result.bytes);
    return [results = std::move(results_)] {
      for (const Result& result : results) std::memcpy(result.array, result.copy->As<void>(), result.bytes);
      return Outcome{};
    };
  }

 private:
  struct Result {
    void* array;
    const void* memory;
    std::size_t bytes;
    std::shared_ptr<const cuda::PinnedMemory> copy;
  };

  cuda::Queue& queue_;
  const int64_t rows_;
  std::vector<Result> results_;
};

}  // namespace soul
