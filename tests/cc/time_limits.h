// What tests hold times against. A promise such as "within 2 s" is for a machine that does nothing
// else: `tests/run timing` (DDL_TEST_TIMING=1) holds it as it is, every other run three times as
// much. ctest gives the label "timing" to the tests of a file that includes this.
#ifndef TF_DDL_TESTS_CC_TIME_LIMITS_H_
#define TF_DDL_TESTS_CC_TIME_LIMITS_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "base/time.h"

namespace tf_ddl {

inline bool StrictTiming() {
  const char* const value = std::getenv("DDL_TEST_TIMING");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

// Seconds that something may take which is promised within `promise` seconds.
inline double Limit(double promise) { return StrictTiming() ? promise : 3 * promise; }

inline double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A rate that was measured of a link that is shaped to `shaped`: within a tenth of it. A busy
// machine may keep the link from being full, and nothing makes it much faster.
inline void ExpectRate(double measured, double shaped) {
  EXPECT_GT(measured, shaped * (StrictTiming() ? 0.9 : 0.3));
  EXPECT_LT(measured, shaped * (StrictTiming() ? 1.1 : 1.5));
}

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_TIME_LIMITS_H_
