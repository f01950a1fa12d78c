#include "simt/kernels.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace soul::simt {
namespace {
std::map<std::string, Kernel>& Kernels() {
  static auto* kernels = new std::map<std::string, Kernel>;
  return *kernels;
}
}  // namespace

const Kernel* FindKernel(const char* name) {
  const auto found = Kernels().find(name);
  return found == Kernels().end() ? nullptr : &found->second;
}

Registration::Registration(const char* name, std::size_t parameter_bytes, void (*run)(const void*)) {
  if (parameter_bytes > 4096 || !Kernels().emplace(name, Kernel{name, parameter_bytes, run}).second) {
    std::fprintf(stderr, "emulator: kernel %s exists twice, or has parameters of more than 4096 bytes\n",
                 name);
    std::abort();
  }
}

}  // namespace soul::simt
