// What the addon exports, by subject.
#pragma once

#include <napi.h>

#include "runtime/interface.h"

namespace soul {

void ExportDeviceCalls(Napi::Env env, Napi::Object exports);
void ExportMachineCalls(Napi::Env env, Napi::Object exports);
void ExportMemoryCalls(Napi::Env env, Napi::Object exports);
void ExportFunctionCalls(Napi::Env env, Napi::Object exports);
void ExportLockCalls(Napi::Env env, Napi::Object exports);
void ExportDivergenceCalls(Napi::Env env, Napi::Object exports);
void ExportTokenCalls(Napi::Env env, Napi::Object exports);
void ExportOptimizerCalls(Napi::Env env, Napi::Object exports);
void ExportUpdateCalls(Napi::Env env, Napi::Object exports);
void ExportVectorCalls(Napi::Env env, Napi::Object exports);

}  // namespace soul
