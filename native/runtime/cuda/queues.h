// The queues of one environment, one for each device that it has used.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "runtime/cuda/queue.h"

namespace soul::cuda {

// Used by one thread at a time, as its queues are.
class Queues {
 public:
  bool Has(int32_t device) const { return queues_.contains(device); }

  // Made when it is first asked for; throws DriverError.
  Queue& Of(int32_t device) {
    std::unique_ptr<Queue>& queue = queues_[device];
    if (!queue) {
      try {
        queue = std::make_unique<Queue>(Device::Get(device));
      } catch (...) {
        queues_.erase(device);
        throw;
      }
      queue->ForceShape(threads_, blocks_);
    }
    return *queue;
  }

  template <typename Visit>
  void ForEach(const Visit& visit) {
    for (const auto& [device, queue] : queues_) visit(*queue);
  }

  // For all queues, also those to come (Queue::ForceShape).
  void ForceShape(int32_t threads, int64_t blocks) {
    threads_ = threads;
    blocks_ = blocks;
    ForEach([&](Queue& queue) { queue.ForceShape(threads, blocks); });
  }

  // Waits for what is enqueued.
  void Clear() { queues_.clear(); }

 private:
  std::map<int32_t, std::unique_ptr<Queue>> queues_;
  int32_t threads_ = 0;
  int64_t blocks_ = 0;
};

}  // namespace soul::cuda
