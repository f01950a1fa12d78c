// The driver's functions about memory.
#include <algorithm>
#include <cstring>
#include <vector>

#include "driver/library.h"
#include "simt/block.h"

using namespace soul::emulated;
using soul::cuda::Address;
using soul::cuda::Context;
using soul::cuda::kInvalidValue;
using soul::cuda::Stream;

namespace {

// Where the driver finds these bytes of device memory now; null where they are no longer one allocation's.
unsigned char* Find(Address address, std::size_t bytes) {
  CUctx_st* owner = OwnerOf(address);
  if (owner == nullptr || owner->memory.Find(address, bytes).bytes == 0) return nullptr;
  return owner->memory.Own(address);
}

// A piece of work on memory, as the stream comes to it: what it touches may be gone by then.
template <typename Work>
void Enqueue(WorkStream* stream, CUctx_st* device, Work work) {
  stream->Enqueue([device, work] {
    if (device->error != 0) return;
    if (!work()) Break(device, soul::simt::kIllegalAddress, "memory of a copy was freed before its turn");
  });
}

template <typename Element>
int Fill(const char* name, Address target, Element value, std::size_t count, Stream stream_handle) {
  if (const int result = Announce(name); result != 0) return result;
  CUctx_st* device = nullptr;
  if (const int result = CurrentDevice(&device); result != 0) return result;
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr) return kInvalidHandle;
  if (count == 0) return 0;
  const std::size_t bytes = count * sizeof(Element);
  if (target % sizeof(Element) != 0 || Find(target, bytes) == nullptr) return kInvalidValue;
  Enqueue(stream, device, [=] {
    unsigned char* to = Find(target, bytes);
    if (to == nullptr) return false;
    std::fill_n(reinterpret_cast<Element*>(to), count, value);
    return true;
  });
  return 0;
}

int CopyBetween(CUctx_st* device, Address target, Address source, std::size_t bytes, Stream stream_handle) {
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr) return kInvalidHandle;
  if (bytes == 0) return 0;
  if (Find(target, bytes) == nullptr || Find(source, bytes) == nullptr) return kInvalidValue;
  // What a copy onto itself gives is nowhere said.
  if (target < source + bytes && source < target + bytes) return kInvalidValue;
  Enqueue(stream, device, [=] {
    unsigned char* to = Find(target, bytes);
    const unsigned char* from = Find(source, bytes);
    if (to == nullptr || from == nullptr) return false;
    std::memcpy(to, from, bytes);
    return true;
  });
  return 0;
}

}  // namespace

SOUL_EXPORTED cuMemAlloc_v2(Address* memory, std::size_t bytes) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (memory == nullptr || bytes == 0) return kInvalidValue;
  *memory = device->memory.Allocate(bytes);
  return *memory == 0 ? soul::cuda::kOutOfMemory : 0;
}

// Waits for the device, as NVIDIA's does.
SOUL_EXPORTED cuMemFree_v2(Address memory) {
  SOUL_BEGIN_IN_CONTEXT(device);
  CUctx_st* owner = OwnerOf(memory);
  if (owner == nullptr) return kInvalidValue;
  WaitForAllStreams(owner);
  if (owner->error != 0) return owner->error;
  std::string problem;
  if (!owner->memory.Free(memory, &problem)) return kInvalidValue;
  if (!problem.empty()) Break(owner, soul::simt::kIllegalAddress, "something " + problem);
  return owner->error;
}

SOUL_EXPORTED cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total_bytes) {
  SOUL_BEGIN_IN_CONTEXT(device);
  *total_bytes = device->memory.limit();
  *free_bytes = device->memory.limit() - device->memory.used();
  return 0;
}

SOUL_EXPORTED cuMemHostAlloc(void** memory, std::size_t bytes, [[maybe_unused]] unsigned flags) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (memory == nullptr || bytes == 0) return kInvalidValue;
  *memory = Pinned().Allocate(bytes, device->ordinal);
  return *memory == nullptr ? soul::cuda::kOutOfMemory : 0;
}

SOUL_EXPORTED cuMemFreeHost(void* memory) {
  SOUL_BEGIN_IN_CONTEXT(device);
  return Pinned().Free(memory) ? 0 : kInvalidValue;
}

// From pinned memory the copy reads when its turn comes; other memory is read before the call returns.
SOUL_EXPORTED cuMemcpyHtoDAsync_v2(Address target, const void* source, std::size_t bytes,
                                   Stream stream_handle) {
  SOUL_BEGIN_IN_CONTEXT(device);
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr) return kInvalidHandle;
  if (bytes == 0) return 0;
  if (source == nullptr || Find(target, bytes) == nullptr) return kInvalidValue;
  const bool pinned = Pinned().Holds(source, bytes);
  std::shared_ptr<std::vector<unsigned char>> staged;
  if (!pinned) {
    const auto* from = static_cast<const unsigned char*>(source);
    staged = std::make_shared<std::vector<unsigned char>>(from, from + bytes);
  }
  Enqueue(stream, device, [=] {
    unsigned char* to = Find(target, bytes);
    if (to == nullptr || (pinned && !Pinned().Holds(source, bytes))) return false;
    std::memcpy(to, pinned ? source : staged->data(), bytes);
    return true;
  });
  return 0;
}

// To pinned memory the copy writes when its turn comes; other memory is written before the call returns.
SOUL_EXPORTED cuMemcpyDtoHAsync_v2(void* target, Address source, std::size_t bytes, Stream stream_handle) {
  SOUL_BEGIN_IN_CONTEXT(device);
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr) return kInvalidHandle;
  if (bytes == 0) return 0;
  if (target == nullptr || Find(source, bytes) == nullptr) return kInvalidValue;
  const bool pinned = Pinned().Holds(target, bytes);
  Enqueue(stream, device, [=] {
    const unsigned char* from = Find(source, bytes);
    if (from == nullptr || (pinned && !Pinned().Holds(target, bytes))) return false;
    std::memcpy(target, from, bytes);
    return true;
  });
  if (!pinned) {
    stream->Wait();
    return device->error;
  }
  return 0;
}

SOUL_EXPORTED cuMemcpyDtoDAsync_v2(Address target, Address source, std::size_t bytes, Stream stream_handle) {
  SOUL_BEGIN_IN_CONTEXT(device);
  return CopyBetween(device, target, source, bytes, stream_handle);
}

SOUL_EXPORTED cuMemcpyPeerAsync(Address target, Context target_context, Address source,
                                Context source_context, std::size_t bytes, Stream stream_handle) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (bytes != 0 && (OwnerOf(target) != target_context || OwnerOf(source) != source_context)) {
    return kInvalidValue;
  }
  return CopyBetween(device, target, source, bytes, stream_handle);
}

SOUL_EXPORTED cuMemsetD8Async(Address target, unsigned char value, std::size_t count, Stream stream) {
  return Fill(__func__, target, value, count, stream);
}

SOUL_EXPORTED cuMemsetD16Async(Address target, unsigned short value, std::size_t count, Stream stream) {
  return Fill(__func__, target, value, count, stream);
}

SOUL_EXPORTED cuMemsetD32Async(Address target, unsigned value, std::size_t count, Stream stream) {
  return Fill(__func__, target, value, count, stream);
}

SOUL_EXPORTED cuPointerGetAttribute(void* value, int attribute, Address pointer) {
  SOUL_BEGIN();
  if (!initialized) return kNotInitialized;
  int device = 0;
  unsigned type = 1;  // CU_MEMORYTYPE_HOST
  Allocation allocation = Pinned().Find(pointer, &device);
  if (CUctx_st* owner = OwnerOf(pointer)) {
    device = owner->ordinal;
    type = soul::cuda::kMemoryTypeDevice;
    allocation = owner->memory.Find(pointer, 1);
  }
  if (allocation.bytes == 0) return kInvalidValue;
  switch (attribute) {
    case soul::cuda::kPointerMemoryType:
      std::memcpy(value, &type, sizeof(type));
      return 0;
    case soul::cuda::kPointerDeviceOrdinal:
      std::memcpy(value, &device, sizeof(device));
      return 0;
    case soul::cuda::kPointerRangeStart: {
      const Address begin = allocation.begin;
      std::memcpy(value, &begin, sizeof(begin));
      return 0;
    }
    case soul::cuda::kPointerRangeSize:
      std::memcpy(value, &allocation.bytes, sizeof(allocation.bytes));
      return 0;
    default:
      return kInvalidValue;
  }
}
