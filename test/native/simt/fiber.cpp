#include "simt/fiber.h"

#include <cstdint>

#if defined(__x86_64__)

// swapcontext makes a call of the operating system for the signal mask, and a block switches thousands of
// times. What the callee must keep is pushed; the rest is the compiler's.
extern "C" __attribute__((visibility("hidden"))) void soul_simt_switch(void** from, void* to);
asm(R"(
  .text
  .globl soul_simt_switch
  .hidden soul_simt_switch
  .type soul_simt_switch, @function
soul_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size soul_simt_switch, .-soul_simt_switch
)");

namespace soul::simt {
namespace {
void* scheduler = nullptr;
constexpr int kPushed = 6;
}  // namespace

void Fiber::Begin(void* stack, std::size_t bytes, void (*entry)()) {
  const auto top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15};
  auto* words = reinterpret_cast<void**>(top);
  words[-1] = nullptr;  // entry returns nowhere
  words[-2] = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kPushed; ++i) words[-3 - i] = nullptr;
  stack_pointer_ = words - 2 - kPushed;
}

void Fiber::Enter() {
  soul_simt_switch(&scheduler, stack_pointer_);
}

void Fiber::HandBack() {
  soul_simt_switch(&stack_pointer_, scheduler);
}

}  // namespace soul::simt

#else

namespace soul::simt {
namespace {
ucontext_t scheduler;
}  // namespace

void Fiber::Begin(void* stack, std::size_t bytes, void (*entry)()) {
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack;
  context_.uc_stack.ss_size = bytes;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
}

void Fiber::Enter() {
  swapcontext(&scheduler, &context_);
}

void Fiber::HandBack() {
  swapcontext(&context_, &scheduler);
}

}  // namespace soul::simt

#endif
