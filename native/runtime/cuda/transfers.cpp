#include "runtime/cuda/transfers.h"

#include <algorithm>

#include "runtime/interface.h"

namespace soul::cuda {
namespace {

// The driver does not promise anything about copies that overlap: in pieces through scratch memory, from the
// end that is not overwritten first.
void Move(Queue& queue, char* target, const char* source, std::size_t bytes) {
  const bool apart = target + bytes <= source || source + bytes <= target;
  if (apart || target == source) {
    queue.CopyOnDevice(target, source, bytes);
    return;
  }
  constexpr std::size_t kMostPiece = std::size_t{64} << 20;
  const std::size_t piece = std::min(bytes, kMostPiece);
  void* scratch = queue.Scratch(piece);
  for (std::size_t done = 0; done < bytes; done += piece) {
    const std::size_t part = std::min(piece, bytes - done);
    const std::size_t at = target < source ? done : bytes - done - part;
    queue.CopyOnDevice(scratch, source + at, part);
    queue.CopyOnDevice(target + at, scratch, part);
  }
}

}  // namespace

void Transfer(const QueueOf& queue_of, const Elements& target, int32_t target_device, const Elements& source,
              int32_t source_device, int64_t length) {
  const std::size_t bytes = static_cast<std::size_t>(length) * SizeOf(target.dtype);
  if (target_device == SOUL_CPU) {
    queue_of(source_device).CopyFromDevice(target.data, source.data, bytes);
  } else if (source_device == SOUL_CPU) {
    queue_of(target_device).CopyToDevice(target.data, source.data, bytes);
  } else if (source_device == target_device) {
    Move(queue_of(target_device), static_cast<char*>(target.data), static_cast<const char*>(source.data),
         bytes);
  } else {
    queue_of(target_device).CopyFromOtherDevice(target.data, queue_of(source_device), source.data, bytes);
  }
}

}  // namespace soul::cuda
