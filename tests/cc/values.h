// What tests put into memory and expect to find there. Loops over every element are the greatest
// part of what tests compute: they are in values.cc, which is compiled without sanitizers, and work
// on memory that only they know. What the library reads and writes is copied and compared as a
// whole here, by std::memcpy and std::memcmp, so a sanitizer still sees who touches whose memory.
#ifndef TF_DDL_TESTS_CC_VALUES_H_
#define TF_DDL_TESTS_CC_VALUES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/dtype.h"

namespace tf_ddl {

// Under a sanitizer all takes many times longer: tests then take less data and fewer rounds, where
// that shows as much.
#ifdef TF_DDL_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace values {  // the loops, in values.cc
void FillPattern(uint8_t* bytes, size_t n, uint32_t seed);
void AddBytes(uint8_t* to, const uint8_t* from, size_t n);
void FillSawtooth(DType dtype, void* data, int64_t first, int64_t count, int64_t times,
                  int64_t plus);
double At(DType dtype, const void* data, int64_t i);
}  // namespace values

// Bytes that differ at every place and with every seed.
inline std::vector<uint8_t> Pattern(size_t n, uint32_t seed) {
  std::vector<uint8_t> bytes(n);
  values::FillPattern(bytes.data(), n, seed);
  return bytes;
}

// Elements first, first + 1, ... of a sawtooth of small integers, whose sums are exact in every
// dtype and order: element i is times * (i % 7) + plus.
struct Sawtooth {
  int64_t times = 1;
  int64_t plus = 0;
  int64_t first = 0;

  std::vector<uint8_t> Of(DType dtype, int64_t count) const {
    std::vector<uint8_t> data(count * SizeOf(dtype));
    values::FillSawtooth(dtype, data.data(), first, count, times, plus);
    return data;
  }
  void Put(DType dtype, void* to, int64_t count) const {
    const std::vector<uint8_t> data = Of(dtype, count);
    if (!data.empty()) std::memcpy(to, data.data(), data.size());
  }
  testing::AssertionResult IsIn(DType dtype, const void* from, int64_t count) const {
    const std::vector<uint8_t> expected = Of(dtype, count);
    if (expected.empty() || std::memcmp(from, expected.data(), expected.size()) == 0) {
      return testing::AssertionSuccess();
    }
    std::vector<uint8_t> found(expected.size());
    std::memcpy(found.data(), from, found.size());
    const auto differs = std::mismatch(found.begin(), found.end(), expected.begin()).first;
    const auto at = (differs - found.begin()) / static_cast<int64_t>(SizeOf(dtype));
    return testing::AssertionFailure()
           << values::At(dtype, found.data(), at) << " instead of "
           << values::At(dtype, expected.data(), at) << " at " << at << " of " << count;
  }
};

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_VALUES_H_
