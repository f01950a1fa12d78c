// Calls that change flat buffers as vectors.
#include <limits>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "runtime/cuda/cast_across.h"
#include "runtime/cuda/vector_launches.h"
#include "runtime/vector_jobs.h"

namespace soul {
namespace {

constexpr double kLargestFloat = std::numeric_limits<float>::max();

using EnqueueCombination = void (*)(cuda::Queue&, float, const Elements&, const Elements&, const Rounding&,
                                    int64_t);
using RunCombination = void (*)(ThreadPool&, float, const Elements&, const Elements&, const Rounding&,
                                int64_t);

// Of (alpha, x, y, rounding?).
Napi::Value PostCombination(const Napi::CallbackInfo& info, EnqueueCombination enqueue, RunCombination run) {
  const double alpha = ReadNumber(Argument(info, 0), "alpha", -kLargestFloat, kLargestFloat);
  const FlatMemory x = ReadFloating(Argument(info, 1), "x");
  const FlatMemory y = ReadFloating(Argument(info, 2), "y", x.length);
  const Rounding rounding = ReadRounding(Argument(info, 3));
  const int32_t device = ReadDevice(info.Env(), {{"x", &x}, {"y", &y}});
  CheckElementwise(info.Env(), "y", y, x);
  const auto factor = static_cast<float>(alpha);
  const Elements from = x.elements;
  const Elements to = y.elements;
  const int64_t length = x.length;
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), {x.value, y.value}, device, [=](cuda::Queue& queue) -> DeviceOutcome {
      enqueue(queue, factor, from, to, rounding, length);
      return {};
    });
  }
  return PostWork(info.Env(), {x.value, y.value}, [=, &pool = PoolOf(info.Env())] {
    run(pool, factor, from, to, rounding, length);
    return Outcome{};
  });
}

// axpy(alpha, x, y, rounding?) -> Promise<void>
Napi::Value AxpyCall(const Napi::CallbackInfo& info) {
  return PostCombination(info, cuda::EnqueueAddScaled, AddScaled);
}

// addSign(alpha, x, y, rounding?) -> Promise<void>
Napi::Value AddSignCall(const Napi::CallbackInfo& info) {
  return PostCombination(info, cuda::EnqueueAddSign, AddSign);
}

// addNormal(factor, source, target, draws, frozen?, rounding?) -> Promise<void>
Napi::Value AddNormalCall(const Napi::CallbackInfo& info) {
  const double number = ReadNumber(Argument(info, 0), "factor", -kLargestFloat, kLargestFloat);
  const FlatMemory source = ReadFloating(Argument(info, 1), "source");
  const FlatMemory target = ReadFloating(Argument(info, 2), "target", source.length);
  const NormalDraws draws = ReadDraws(Argument(info, 3));
  const FlatMemory frozen = ReadMask(Argument(info, 4), "frozen", source.length);
  const Rounding rounding = ReadRounding(Argument(info, 5));
  const int32_t device =
      ReadDevice(info.Env(), {{"source", &source}, {"target", &target}, {"frozen", &frozen}});
  CheckElementwise(info.Env(), "target", target, source);
  CheckElementwise(info.Env(), "frozen", frozen, target);
  const auto factor = static_cast<float>(number);
  const Elements from = source.elements;
  const Elements to = target.elements;
  const auto* bits = static_cast<FrozenMask>(frozen.elements.data);
  const int64_t length = source.length;
  std::vector<Napi::Value> held{source.value, target.value};
  if (!frozen.value.IsEmpty()) held.push_back(frozen.value);
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device, [=](cuda::Queue& queue) -> DeviceOutcome {
      cuda::EnqueueAddNormal(queue, factor, draws, from, to, bits, rounding, length);
      return {};
    });
  }
  return PostWork(info.Env(), held, [=, &pool = PoolOf(info.Env())] {
    AddNormal(pool, factor, draws, from, to, bits, rounding, length);
    return Outcome{};
  });
}

// scale(buffer, factor, rounding?) -> Promise<void>
Napi::Value ScaleCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  const double factor = ReadNumber(Argument(info, 1), "factor", -kLargestFloat, kLargestFloat);
  const Rounding rounding = ReadRounding(Argument(info, 2));
  const auto by = static_cast<float>(factor);
  const Elements elements = memory.elements;
  const int64_t length = memory.length;
  if (memory.device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), {memory.value}, memory.device,
                          [=](cuda::Queue& queue) -> DeviceOutcome {
                            cuda::EnqueueScale(queue, by, elements, rounding, length);
                            return {};
                          });
  }
  return PostWork(info.Env(), {memory.value}, [=, &pool = PoolOf(info.Env())] {
    Scale(pool, by, elements, rounding, length);
    return Outcome{};
  });
}

// softThreshold(buffer, by, frozen?, rounding?) -> Promise<void>
Napi::Value SoftThresholdCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  const double threshold = ReadNumber(Argument(info, 1), "by", 0, kLargestFloat);
  const FlatMemory frozen = ReadMask(Argument(info, 2), "frozen", memory.length);
  const Rounding rounding = ReadRounding(Argument(info, 3));
  const int32_t device = ReadDevice(info.Env(), {{"buffer", &memory}, {"frozen", &frozen}});
  CheckElementwise(info.Env(), "frozen", frozen, memory);
  const auto by = static_cast<float>(threshold);
  const Elements elements = memory.elements;
  const auto* bits = static_cast<FrozenMask>(frozen.elements.data);
  const int64_t length = memory.length;
  std::vector<Napi::Value> held{memory.value};
  if (!frozen.value.IsEmpty()) held.push_back(frozen.value);
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device, [=](cuda::Queue& queue) -> DeviceOutcome {
      cuda::EnqueueSoftThreshold(queue, by, elements, bits, rounding, length);
      return {};
    });
  }
  return PostWork(info.Env(), held, [=, &pool = PoolOf(info.Env())] {
    SoftThreshold(pool, by, elements, bits, rounding, length);
    return Outcome{};
  });
}

// fillFrozen(buffer, frozen, value) -> Promise<void>
Napi::Value FillFrozenCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  if (Argument(info, 1).IsUndefined()) ThrowInvalid(info.Env(), "frozen", "uint8 memory");
  const FlatMemory frozen = ReadMask(Argument(info, 1), "frozen", memory.length);
  if (!Argument(info, 2).IsNumber()) ThrowInvalid(info.Env(), "value", "a number");
  const float value = ToFloat(Argument(info, 2).As<Napi::Number>().DoubleValue());
  const int32_t device = ReadDevice(info.Env(), {{"buffer", &memory}, {"frozen", &frozen}});
  CheckElementwise(info.Env(), "frozen", frozen, memory);
  const Elements elements = memory.elements;
  const auto* bits = static_cast<FrozenMask>(frozen.elements.data);
  const int64_t length = memory.length;
  const std::vector<Napi::Value> held{memory.value, frozen.value};
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device, [=](cuda::Queue& queue) -> DeviceOutcome {
      cuda::EnqueueFillFrozen(queue, elements, bits, value, length);
      return {};
    });
  }
  return PostWork(info.Env(), held, [=, &pool = PoolOf(info.Env())] {
    FillFrozen(pool, elements, bits, value, length);
    return Outcome{};
  });
}

// A cast that is not the CPU's alone.
Napi::Value PostDeviceCast(Napi::Env env, const FlatMemory& source, const FlatMemory& target,
                           const Rounding& rounding) {
  const auto enqueue = [&queues = EnvironmentOf(env).queues, from = source.elements,
                        from_device = source.device, to = target.elements, to_device = target.device,
                        rounding, length = source.length] {
    const auto queue_of = [&queues](int32_t device) -> cuda::Queue& { return queues.Of(device); };
    if (from.dtype == to.dtype) {
      cuda::Transfer(queue_of, to, to_device, from, from_device, length);
    } else if (from_device == to_device) {
      cuda::EnqueueCast(queue_of(to_device), from, to, rounding, 0, length);
    } else {
      cuda::CastAcross(queue_of, to, to_device, from, from_device, rounding, length);
    }
  };
  const std::vector<Napi::Value> held{source.value, target.value};
  // Host memory is waited for, which the JavaScript thread must not do.
  if (source.device == SOUL_CPU || target.device == SOUL_CPU) {
    const int32_t device = source.device == SOUL_CPU ? target.device : source.device;
    return PostWork(env, held, [enqueue, device, &queues = EnvironmentOf(env).queues] {
      enqueue();
      queues.Of(device).Synchronize();
      queues.Of(device).Await([](std::exception_ptr) {});
      return Outcome{};
    });
  }
  return PostDeviceWork(env, held, target.device, [enqueue](cuda::Queue&) -> DeviceOutcome {
    enqueue();
    return {};
  });
}

// cast(source, target, rounding?) -> Promise<void>, also from one device to another; of one dtype the two may
// overlap.
Napi::Value CastCall(const Napi::CallbackInfo& info) {
  const FlatMemory source = ReadFloating(Argument(info, 0), "source");
  const FlatMemory target = ReadFloating(Argument(info, 1), "target", source.length);
  const Rounding rounding = ReadRounding(Argument(info, 2));
  if (source.elements.dtype != target.elements.dtype) {
    CheckElementwise(info.Env(), "target", target, source);
  }
  if (source.device != SOUL_CPU || target.device != SOUL_CPU) {
    return PostDeviceCast(info.Env(), source, target, rounding);
  }
  return PostWork(info.Env(), {source.value, target.value},
                  [&pool = PoolOf(info.Env()), from = source.elements, to = target.elements,
                   length = source.length, rounding] {
                    Cast(pool, from, to, rounding, length);
                    return Outcome{};
                  });
}

}  // namespace

void ExportUpdateCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("axpy", Napi::Function::New(env, AxpyCall, "axpy"));
  exports.Set("addSign", Napi::Function::New(env, AddSignCall, "addSign"));
  exports.Set("addNormal", Napi::Function::New(env, AddNormalCall, "addNormal"));
  exports.Set("scale", Napi::Function::New(env, ScaleCall, "scale"));
  exports.Set("cast", Napi::Function::New(env, CastCall, "cast"));
  exports.Set("softThreshold", Napi::Function::New(env, SoftThresholdCall, "softThreshold"));
  exports.Set("fillFrozen", Napi::Function::New(env, FillFrozenCall, "fillFrozen"));
}

}  // namespace soul
