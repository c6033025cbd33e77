// One side of a pair's shared memory: a ring to write, a ring to read, and waking the peer when it
// sleeps.
#ifndef TF_DDL_TRANSPORT_RING_LINK_H_
#define TF_DDL_TRANSPORT_RING_LINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/status.h"
#include "transport/frame_reader.h"
#include "transport/outbox.h"
#include "transport/segment.h"

namespace tf_ddl {

class RingLink {
 public:
  // `ring_bell` is called when the peer sleeps and there is something for it to do.
  RingLink(std::shared_ptr<Segment> segment, int side, std::function<void()> ring_bell);

  Outbox& out() { return out_; }
  bool readable() const { return reader_.Peek().size > 0; }

  // Feeds about `budget` bytes of what has come to `frames`; adds them to `moved`.
  Status Read(size_t budget, FrameReader* frames, size_t* moved);
  // Writes about `budget` bytes of out(), as far as they fit. Returns the bytes.
  size_t Write(size_t budget, Outbox::Callbacks* done);

  // See Pair.
  bool PrepareSleep();
  void CancelSleep() { own_->sleep.store(kAwake, std::memory_order_relaxed); }
  void HoldBells(bool hold);
  // Rings what has been held for long enough, or all that is held.
  void RingBell(bool at_once);

  size_t capacity() const { return reader_.capacity(); }

 private:
  // Wakes the peer if it sleeps at least as `state` says.
  void Wake(SleepState state);
  void WakeNow(SleepState state);

  const std::shared_ptr<Segment> segment_;
  const std::function<void()> ring_bell_;
  RingWriter writer_;
  RingReader reader_;
  SideState* const own_;
  SideState* const peer_;
  Outbox out_;
  bool hold_ = false;
  SleepState held_ = kAwake;  // not kAwake: what the peer is to be woken for, and since when
  int64_t held_since_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_RING_LINK_H_
