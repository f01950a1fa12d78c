#include "runtime/cuda/cast_across.h"

#include <algorithm>

#include "runtime/cuda/vector_launches.h"
#include "runtime/interface.h"

namespace soul::cuda {
namespace {

// Elements of a piece.
constexpr int64_t kMostPiece = int64_t{16} << 20;

Elements From(const Elements& elements, int64_t index) {
  const std::size_t offset = static_cast<std::size_t>(index) * SizeOf(elements.dtype);
  return {static_cast<char*>(elements.data) + offset, elements.dtype};
}

}  // namespace

void CastAcross(const QueueOf& queue_of, const Elements& target, int32_t target_device,
                const Elements& source, int32_t source_device, const Rounding& rounding, int64_t length) {
  const bool to_host = target_device == SOUL_CPU;
  const int32_t device = to_host ? source_device : target_device;
  Queue& queue = queue_of(device);
  // What crosses over lies here on the device that rounds it.
  const DType crossing = to_host ? target.dtype : source.dtype;
  const int64_t most = std::min(length, kMostPiece);
  const Elements piece{queue.Scratch(static_cast<std::size_t>(most) * SizeOf(crossing)), crossing};
  for (int64_t from = 0; from < length; from += most) {
    const int64_t count = std::min(most, length - from);
    if (to_host) {
      EnqueueCast(queue, From(source, from), piece, rounding, from, count);
      Transfer(queue_of, From(target, from), SOUL_CPU, piece, device, count);
    } else {
      Transfer(queue_of, piece, device, From(source, from), source_device, count);
      EnqueueCast(queue, piece, From(target, from), rounding, from, count);
    }
  }
}

}  // namespace soul::cuda
