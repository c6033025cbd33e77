// Large pages under the memory that other processes read.
//
// Cross-memory attach has to find and hold every page that it reads: with pages of 4 KiB that takes
// up to a quarter of the time. Tensors live in what malloc hands out again from step to step, so it
// pays to have the kernel put large pages under them (madvise with MADV_COLLAPSE, Linux 6.1).
#ifndef TF_DDL_BASE_HUGE_PAGES_H_
#define TF_DDL_BASE_HUGE_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace tf_ddl {

// Not thread-safe.
class HugePages {
 public:
  static constexpr size_t kPageBytes = 2 << 20;
  // For smaller pieces of memory it is not worth it.
  static constexpr size_t kLeastBytes = 64 << 10;

  // Puts large pages under [data, data + bytes) and what shares them. What cannot be done is left
  // as it is. Memory may have been given back and mapped anew since, so a page is tried at its 1st,
  // 4th, 16th ... use; where it is large already that costs a microsecond.
  void Cover(const void* data, size_t bytes);

  // How often the kernel was asked, and how often there was a large page afterwards.
  size_t asked() const { return asked_; }
  size_t made() const { return made_; }

 private:
  std::unordered_map<uintptr_t, uint32_t> uses_;  // by address / kPageBytes
  size_t asked_ = 0;
  size_t made_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_HUGE_PAGES_H_
