// A thread of a block as a stack of its own: it runs until it hands back.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace soul::simt {

class Fiber {
 public:
  // The next Enter begins `entry`, which must not return but hand back for good.
  void Begin(void* stack, std::size_t bytes, void (*entry)());
  // From the scheduler: runs the fiber until it hands back.
  void Enter();
  // From the fiber: goes on where Enter was called.
  void HandBack();

 private:
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_;
#endif
};

}  // namespace soul::simt
