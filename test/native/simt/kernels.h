// The kernels that were linked in, by name.
#pragma once

#include <cstddef>

namespace soul::simt {

struct Kernel {
  const char* name;
  std::size_t parameter_bytes;
  void (*run)(const void* parameters);
};

// Null where there is none of that name.
const Kernel* FindKernel(const char* name);

// Two kernels of one name end the process when the library is loaded.
struct Registration {
  Registration(const char* name, std::size_t parameter_bytes, void (*run)(const void* parameters));
};

}  // namespace soul::simt
