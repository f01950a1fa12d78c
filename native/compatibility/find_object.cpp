// A function of glibc 2.35 that GCC's exception handling calls where it is built on such a system, by what
// older ones have: with it the addon runs from glibc 2.34 on. Only in builds that hold a GCC runtime of their
// own.
#include <dlfcn.h>
#include <link.h>

#include <cstdint>

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35) && !DLFO_STRUCT_HAS_EH_DBASE && !DLFO_STRUCT_HAS_EH_COUNT

namespace {

struct Search {
  uintptr_t address;
  dl_find_object* result;
};

int Visit(dl_phdr_info* object, std::size_t, void* data) {
  const Search& search = *static_cast<const Search*>(data);
  uintptr_t handlers = 0;
  uintptr_t start = 0;
  uintptr_t end = 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr) & segment = object->dlpi_phdr[i];
    const uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_GNU_EH_FRAME) handlers = begin;
    if (segment.p_type != PT_LOAD || search.address < begin || search.address - begin >= segment.p_memsz)
      continue;
    start = begin;
    end = begin + segment.p_memsz;
  }
  if (end == 0) return 0;
  // An object without tables for exceptions ends the search, and with it the exception.
  if (handlers == 0) return -1;
  *search.result = {};
  search.result->dlfo_map_start = reinterpret_cast<void*>(start);
  search.result->dlfo_map_end = reinterpret_cast<void*>(end);
  search.result->dlfo_eh_frame = reinterpret_cast<void*>(handlers);
  return 1;
}

}  // namespace

// The linker takes this one before glibc's, and the addon exports none of it.
extern "C" int _dl_find_object(void* address, dl_find_object* result) noexcept {
  Search search{reinterpret_cast<uintptr_t>(address), result};
  return dl_iterate_phdr(Visit, &search) == 1 ? 0 : -1;
}

#endif
