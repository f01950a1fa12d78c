// What the processor refuses while a kernel runs becomes the kernel's failure, not the process's end.
#pragma once

namespace soul::simt {

// While it lives, a fault of the calling thread calls `fail` with a CUresult and a sentence, on a stack of
// its own; `fail` must not return. Faults of other threads go to who handled them before.
class FaultsCaught {
 public:
  explicit FaultsCaught(void (*fail)(int result, const char* text));
  ~FaultsCaught();
  FaultsCaught(const FaultsCaught&) = delete;
  FaultsCaught& operator=(const FaultsCaught&) = delete;
};

}  // namespace soul::simt
