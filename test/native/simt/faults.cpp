#include "simt/faults.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "simt/block.h"

namespace soul::simt {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
struct sigaction earlier[sizeof(kSignals) / sizeof(kSignals[0])];

// A kernel runs at a time, so one handler does; whose thread it is must be asked without a lock.
thread_local void (*fail_here)(int, const char*) = nullptr;

void Handle(int signal, siginfo_t* information, void* context) {
  if (fail_here != nullptr) {
    char text[160];
    if (signal == SIGILL || signal == SIGFPE) {
      fail_here(
          kIllegalInstruction,
          "undefined behaviour of C++: an index outside its array, a shift or sum that overflows, or an "
          "access that is not aligned");
    }
    std::snprintf(text, sizeof(text),
                  "accesses %p, which is no memory of its device, was freed, or is beyond the stack",
                  information->si_addr);
    fail_here(kIllegalAddress, text);
  }
  for (std::size_t i = 0; i < sizeof(kSignals) / sizeof(kSignals[0]); ++i) {
    if (kSignals[i] != signal) continue;
    const struct sigaction& before = earlier[i];
    if ((before.sa_flags & SA_SIGINFO) != 0) {
      before.sa_sigaction(signal, information, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
      before.sa_handler(signal);
    } else {
      // Comes again, and ends the process.
      ::signal(signal, SIG_DFL);
    }
  }
}

void Install() {
  for (std::size_t i = 0; i < sizeof(kSignals) / sizeof(kSignals[0]); ++i) {
    struct sigaction action = {};
    action.sa_sigaction = Handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, &earlier[i]);
  }
}

// A kernel that has used up its stack leaves none for the handler.
void GiveHandlerItsStack() {
  thread_local bool given = false;
  if (given) return;
  given = true;
  constexpr std::size_t kBytes = 64 * 1024;
  stack_t stack = {};
  stack.ss_sp = std::malloc(kBytes);
  stack.ss_size = kBytes;
  if (stack.ss_sp != nullptr) sigaltstack(&stack, nullptr);
}

std::once_flag installed;

}  // namespace

FaultsCaught::FaultsCaught(void (*fail)(int, const char*)) {
  std::call_once(installed, Install);
  GiveHandlerItsStack();
  fail_here = fail;
}

FaultsCaught::~FaultsCaught() {
  fail_here = nullptr;
}

}  // namespace soul::simt
