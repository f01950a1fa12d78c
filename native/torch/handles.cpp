#include "handles.h"

namespace soul {

const Environment& ReadEnvironment(Napi::Env env) {
  const Environment& environment = *env.GetInstanceData<Environment>();
  if (!environment.table) throw ToError(env, "SOUL_INTERNAL", "init must be called first");
  return environment;
}

ModelHandle& ReadModel(const Napi::Value& value, const char* name) {
  ModelHandle& handle = ReadHandle<ModelHandle>(value, kModelTag, name);
  bool released = !handle.model;
  for (const HeldMemory* memory : {&handle.values, &handle.gradients, &handle.frozen}) {
    released = released || (memory->released && *memory->released);
  }
  if (released) throw ToError(value.Env(), "SOUL_RELEASED", std::string(name) + " has been released");
  return handle;
}

PassHandle& ReadPass(const Napi::Value& value) {
  PassHandle& handle = ReadHandle<PassHandle>(value, kPassTag, "pass");
  if (!handle.pass) {
    throw ToError(value.Env(), "SOUL_RELEASED", "the pass has been released, or pulled back before");
  }
  return handle;
}

}  // namespace soul
