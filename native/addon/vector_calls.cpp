// Calls on flat buffers as vectors.
#include <cstring>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "runtime/vector_jobs.h"

namespace soul {
namespace {

Rounding ReadRounding(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Napi::Object rounding = ReadObject(value, "rounding");
  return {true, ReadUnsigned64(rounding.Get("seed"), "seed"), ReadUnsigned64(rounding.Get("count"), "count")};
}

bool Overlap(const FlatMemory& a, const FlatMemory& b) {
  const auto begin = [](const FlatMemory& memory) {
    return reinterpret_cast<uintptr_t>(memory.elements.data);
  };
  const auto end = [&](const FlatMemory& memory) {
    return begin(memory) + static_cast<uintptr_t>(memory.length) * SizeOf(memory.elements.dtype);
  };
  return begin(a) < end(b) && begin(b) < end(a);
}

// cast(source, target, rounding?: { seed, count }) -> Promise<void>; without rounding to the nearest.
Napi::Value CastCall(const Napi::CallbackInfo& info) {
  const FlatMemory source = ReadFloating(Argument(info, 0), "source");
  const FlatMemory target = ReadFloating(Argument(info, 1), "target", source.length);
  const Rounding rounding = ReadRounding(Argument(info, 2));
  const bool same = source.elements.dtype == target.elements.dtype;
  if (!same && Overlap(source, target)) {
    ThrowFailure(info.Env(), "SOUL_ALIASED", "target must share no memory with the source");
  }
  return PostWork(info.Env(), {source.value, target.value},
                  [&pool = PoolOf(info.Env()), from = source.elements, to = target.elements,
                   length = source.length, rounding, same] {
                    if (!same) {
                      Cast(pool, from, to, rounding, length);
                    } else if (length > 0) {
                      std::memmove(to.data, from.data, static_cast<std::size_t>(length) * SizeOf(to.dtype));
                    }
                    return Outcome{};
                  });
}

}  // namespace

void ExportVectorCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("cast", Napi::Function::New(env, CastCall, "cast"));
}

}  // namespace soul
