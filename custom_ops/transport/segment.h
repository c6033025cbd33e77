// The shared memory of the two ends of a pair: a ring each way, and flags by which each side tells
// the other that it sleeps or has closed. It has no name in the file system, so a crash leaves
// nothing behind.
#ifndef TF_DDL_TRANSPORT_SEGMENT_H_
#define TF_DDL_TRANSPORT_SEGMENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/fd.h"
#include "base/status.h"
#include "transport/ring.h"

namespace tf_ddl {

// Rings through which all messages travel.
constexpr size_t kRingBytes = 1 << 20;
// Rings beside which large messages are pulled: that of two ranks on a host, and the smallest.
constexpr size_t kPullRingBytes = 2 << 20;
constexpr size_t kLeastPullRingBytes = 256 << 10;

// A rank has a ring to and from each of its host's others; together they stay about as large.
constexpr size_t PullRingBytes(int ranks_on_host) {
  size_t bytes = kPullRingBytes;
  for (int ranks = 2; ranks < ranks_on_host && bytes > kLeastPullRingBytes; ranks *= 2) bytes /= 2;
  return bytes;
}

enum SleepState : uint32_t {
  kAwake = 0,
  kAsleep = 1,          // wake me when you have written
  kAsleepForSpace = 2,  // also when you have read: I have more to write than fits
};

// Lost wake-ups cannot happen: a side stores its sleep state and then looks at the rings, the
// other moves a ring's cursor and then looks at the sleep state, all sequentially consistent, so
// at least one of the two sees the other's store.
struct SideState {
  alignas(64) std::atomic<uint32_t> sleep{kAwake};
  // This side has closed: what its memory holds now is no longer what it offered.
  std::atomic<uint32_t> closed{0};
};

class Segment {
 public:
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();

  // Memory for two threads of this process.
  static Status CreatePrivate(size_t ring_bytes, std::shared_ptr<Segment>* segment);
  // Memory for two processes: the creator's `file` (a memfd) is opened by the other process as
  // /proc/<pid>/fd/<number> and may be closed once that is done. `token` proves that both sides
  // have the same memory.
  static Status CreateShared(size_t ring_bytes, uint64_t token, std::shared_ptr<Segment>* segment,
                             Fd* file);
  static Status OpenShared(int pid, int file, size_t ring_bytes, uint64_t token,
                           std::shared_ptr<Segment>* segment);

  // `side` is 0 or 1; side s writes ring s and reads ring 1 - s.
  RingWriter Writer(int side);
  RingReader Reader(int side);
  SideState& State(int side);

 private:
  struct Header;
  Segment(void* memory, size_t ring_bytes);
  static Status Map(int file, size_t ring_bytes, std::shared_ptr<Segment>* segment);
  uint8_t* RingData(int ring);

  Header* const header_;
  const size_t ring_bytes_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_SEGMENT_H_
