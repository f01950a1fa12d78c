// Device memory of the stand-in driver, and the host memory it has pinned.
//
// A device's memory lies in one file without a name that is mapped twice: at the addresses that the program
// is given, where only a running kernel may read and write, and at others, where the driver copies. So the
// host, kernels of other devices and what runs past an end come to pages that refuse them. An address is
// never given twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "simt/accesses.h"

namespace soul::emulated {

struct Allocation {
  uintptr_t begin = 0;
  std::size_t bytes = 0;
};

class DeviceMemory {
 public:
  explicit DeviceMemory(std::size_t limit) : limit_(limit) {}

  std::size_t limit() const { return limit_; }
  std::size_t used();

  // Filled with poison, aligned to 256 bytes and no more; 0 where there is no room.
  uintptr_t Allocate(std::size_t bytes);
  // False where no allocation begins there. `problem`: what was written beside it.
  bool Free(uintptr_t begin, std::string* problem);

  // The allocation that holds all of these bytes; bytes 0 where there is none.
  Allocation Find(uintptr_t address, std::size_t bytes);
  // Where the driver reads and writes what the program calls `address`.
  unsigned char* Own(uintptr_t address) const;

  // Between them a kernel may touch all that is allocated, which is returned.
  std::vector<simt::Range> Open();
  // What was written beside an allocation, or empty.
  std::string Close();

 private:
  bool Map();
  void Protect(const Allocation& allocation, bool open) const;
  std::string CheckAround(const Allocation& allocation) const;

  const std::size_t limit_;
  std::mutex mutex_;
  std::map<uintptr_t, std::size_t> allocations_;
  std::size_t used_ = 0;
  int file_ = -1;
  std::size_t mapped_bytes_ = 0;
  uintptr_t mapped_ = 0;
  unsigned char* own_ = nullptr;
  uintptr_t next_ = 0;
};

// Pinned memory of the host, which kernels may touch as well.
class PinnedMemory {
 public:
  void* Allocate(std::size_t bytes, int device);
  bool Free(void* memory);
  bool Holds(const void* address, std::size_t bytes);
  void AddTo(std::vector<simt::Range>* memory);
  // The allocation that holds the address, and its device; bytes 0 where there is none.
  Allocation Find(uintptr_t address, int* device);

 private:
  struct Entry {
    std::size_t bytes;
    int device;
  };
  std::mutex mutex_;
  std::map<uintptr_t, Entry> allocations_;
};

PinnedMemory& Pinned();

}  // namespace soul::emulated
