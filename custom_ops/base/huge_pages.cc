#include "base/huge_pages.h"

#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace tf_ddl {
namespace {

bool IsPowerOfFour(uint32_t n) { return (n & (n - 1)) == 0 && (n & 0x55555555u) != 0; }

}  // namespace

void HugePages::Cover(const void* data, size_t bytes) {
  if (bytes < kLeastBytes) return;
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t last = (begin + bytes - 1) / kPageBytes;
  for (uintptr_t page = begin / kPageBytes; page <= last; ++page) {
    if (!IsPowerOfFour(++uses_[page])) continue;
    ++asked_;
    void* address = reinterpret_cast<void*>(page * kPageBytes);
    if (madvise(address, kPageBytes, MADV_COLLAPSE) == 0) ++made_;
  }
}

}  // namespace tf_ddl
