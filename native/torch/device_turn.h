// A job's turn on a CUDA device: after what the first addon has enqueued there, and before what it will
// enqueue.
//
// Everything here is libtorch's generic interface to devices: the same binary runs on its CPU build.
#pragma once

#include <c10/core/DeviceGuard.h>

#include <string>
#include <vector>

#include "job.h"

namespace soul {

// Loads shared libraries one after the other, each with all that it needs; throws SOUL_ENGINE_MISSING.
void LoadLibraries(const std::vector<std::string>& files);

// Makes libtorch ready for a CUDA device; throws SOUL_ENGINE_MISSING where its CUDA part is not loaded, and
// SOUL_UNSUPPORTED where it finds no such device.
void PrepareDevice(int32_t ordinal);

// The stream that libtorch works on now.
void* CurrentStream(int32_t ordinal);

// What is kept of a device's memory, or the host's, for later goes back to it.
void GiveMemoryBack(int32_t ordinal);

// A failure that a sentence of the first addon tells of.
Failure DeviceFailure(const std::string& sentence);

// Throws where a call of the first addon's table gave a sentence.
void Check(const char* sentence);

class DeviceTurn {
 public:
  DeviceTurn(const SoulInterface& table, int32_t ordinal);
  DeviceTurn(const DeviceTurn&) = delete;
  DeviceTurn& operator=(const DeviceTurn&) = delete;
  // Hands the stream back where `Finish` did not.
  ~DeviceTurn();

  // The job is complete when the device has come to the end of what it enqueued; `failed` hears of errors.
  void Finish(void (*failed)(void* context, const char* sentence), void* context);

 private:
  const SoulInterface& table_;
  int32_t ordinal_;
  c10::DeviceGuard guard_;
  void* stream_;
  bool entered_ = false;
};

}  // namespace soul
