#include "kernels/cpu/kernels.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/cpu/paths/paths.h"

namespace soul {
namespace {

std::vector<const CpuKernels*> Detect() {
  std::vector<const CpuKernels*> tables;
#if defined(SOUL_X86_PATHS)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    tables.push_back(&avx512::kKernels);
  }
  if (__builtin_cpu_supports("avx2")) tables.push_back(&avx2::kKernels);
#endif
  tables.push_back(&baseline::kKernels);
  return tables;
}

const std::vector<const CpuKernels*>& Supported() {
  static const std::vector<const CpuKernels*> tables = Detect();
  return tables;
}

const CpuKernels* Find(const char* name) {
  for (const CpuKernels* table : Supported()) {
    if (std::strcmp(table->name, name) == 0) return table;
  }
  return nullptr;
}

std::atomic<const CpuKernels*>& Active() {
  static std::atomic<const CpuKernels*> active = [] {
    const char* wanted = std::getenv("SOUL_INSTRUCTION_SET");
    const CpuKernels* found = wanted == nullptr ? nullptr : Find(wanted);
    return found == nullptr ? Supported().front() : found;
  }();
  return active;
}

}  // namespace

std::span<const CpuKernels* const> SupportedKernels() {
  return Supported();
}

const CpuKernels& ActiveKernels() {
  return *Active().load(std::memory_order_relaxed);
}

bool UseKernels(const char* name) {
  const CpuKernels* found = Find(name);
  if (found != nullptr) Active().store(found, std::memory_order_relaxed);
  return found != nullptr;
}

}  // namespace soul
