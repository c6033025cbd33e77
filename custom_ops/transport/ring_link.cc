#include "transport/ring_link.h"

#include <algorithm>
#include <utility>

#include "base/time.h"

namespace tf_ddl {
namespace {

// A caller that has left its last collective and is on its way to the next comes by within this.
constexpr int64_t kHoldNanos = 30 * 1000;

}  // namespace

RingLink::RingLink(std::shared_ptr<Segment> segment, int side, std::function<void()> ring_bell)
    : segment_(std::move(segment)),
      ring_bell_(std::move(ring_bell)),
      writer_(segment_->Writer(side)),
      reader_(segment_->Reader(side)),
      own_(&segment_->State(side)),
      peer_(&segment_->State(1 - side)) {}

Status RingLink::Read(size_t budget, FrameReader* frames, size_t* moved) {
  // The writer gets space back in quarters, so that it need not wait for all of this.
  const size_t quarter = reader_.capacity() / 4;
  Status status;
  size_t n = 0;
  while (status.ok() && n < budget) {
    Span span = reader_.Peek();
    if (span.size == 0) break;
    span.size = std::min(span.size, quarter);
    status = frames->Feed(span);
    reader_.Pop(span.size);
    n += span.size;
    if (reader_.unpublished() >= quarter) {
      reader_.Publish();
      Wake(kAsleepForSpace);
    }
  }
  if (reader_.unpublished() > 0) {
    reader_.Publish();
    Wake(kAsleepForSpace);
  }
  *moved += n;
  return status;
}

size_t RingLink::Write(size_t budget, Outbox::Callbacks* done) {
  if (out_.empty()) return 0;
  const size_t n = out_.WriteTo(&writer_, budget, done);
  if (n > 0) Wake(kAsleep);
  return n;
}

void RingLink::Wake(SleepState state) {
  if (!hold_) return WakeNow(state);
  if (peer_->sleep.load() < state) return;
  if (held_ == kAwake) held_since_ = NowNanos();
  held_ = held_ == kAwake ? state : std::min(held_, state);
}

void RingLink::HoldBells(bool hold) {
  hold_ = hold;
  if (!hold) RingBell(/*at_once=*/true);
}

void RingLink::RingBell(bool at_once) {
  if (held_ == kAwake || (!at_once && NowNanos() - held_since_ < kHoldNanos)) return;
  WakeNow(std::exchange(held_, kAwake));
}

void RingLink::WakeNow(SleepState state) {
  uint32_t found = peer_->sleep.load();
  if (found < state) return;
  // If it changes meanwhile, the peer woke by itself and will look at the rings again.
  if (peer_->sleep.compare_exchange_strong(found, kAwake)) ring_bell_();
}

bool RingLink::PrepareSleep() {
  RingBell(/*at_once=*/true);
  const bool more = !out_.empty();
  own_->sleep.store(more ? kAsleepForSpace : kAsleep);
  if (!readable() && !(more && writer_.Free().size > 0)) return true;
  own_->sleep.store(kAwake);
  return false;
}

}  // namespace tf_ddl
