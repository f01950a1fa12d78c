// The calls that run a pass, pull it back and give it up.
#pragma once

#include <napi.h>

namespace soul {

void ExportPassCalls(Napi::Env env, Napi::Object exports);

}  // namespace soul
