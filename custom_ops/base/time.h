// Deadlines. Everything in the core that waits takes one.
#ifndef TF_DDL_BASE_TIME_H_
#define TF_DDL_BASE_TIME_H_

#include <chrono>
#include <cstdint>

namespace tf_ddl {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

inline Deadline DeadlineIn(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Milliseconds left, never negative, rounded up: what poll(2) wants.
inline int MillisLeft(Deadline deadline) {
  auto left = deadline - Clock::now();
  if (left <= Clock::duration::zero()) return 0;
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1;
  return ms > 1 << 30 ? 1 << 30 : static_cast<int>(ms);
}

// Nanoseconds of the monotonic clock, comparable between processes of one host.
inline int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_TIME_H_
