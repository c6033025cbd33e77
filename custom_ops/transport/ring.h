// A byte ring with one writer and one reader, in memory that both can see. All moves are multiples
// of 16 bytes and the capacity is a power of two, so every span is 16-byte aligned.
#ifndef TF_DDL_TRANSPORT_RING_H_
#define TF_DDL_TRANSPORT_RING_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "transport/frame.h"

namespace tf_ddl {

static_assert(std::atomic<uint64_t>::is_always_lock_free, "atomics must work between processes");
static_assert(std::atomic<uint32_t>::is_always_lock_free, "atomics must work between processes");

// Bytes ever written and ever read. Stores and loads are sequentially consistent: besides handing
// over the bytes they are one half of the agreement about sleeping (see SideState).
struct RingCursors {
  alignas(64) std::atomic<uint64_t> written{0};
  alignas(64) std::atomic<uint64_t> read{0};
};

struct Span {
  uint8_t* data = nullptr;
  size_t size = 0;
};

class RingWriter {
 public:
  RingWriter() = default;
  RingWriter(RingCursors* cursors, uint8_t* data, size_t capacity)
      : cursors_(cursors), data_(data), capacity_(capacity) {}

  // The next free bytes that lie in one piece; empty when the ring is full.
  Span Free() const {
    const uint64_t used = written_ - cursors_->read.load();
    if (used >= capacity_) return {};
    const size_t at = static_cast<size_t>(written_) & (capacity_ - 1);
    return {data_ + at, Aligned(std::min(capacity_ - static_cast<size_t>(used), capacity_ - at))};
  }

  // Publishes the first `n` bytes of Free().
  void Commit(size_t n) {
    written_ += n;
    cursors_->written.store(written_);
  }

 private:
  RingCursors* cursors_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
  uint64_t written_ = 0;
};

class RingReader {
 public:
  RingReader() = default;
  RingReader(RingCursors* cursors, uint8_t* data, size_t capacity)
      : cursors_(cursors), data_(data), capacity_(capacity) {}

  // The next unread bytes that lie in one piece.
  Span Peek() const {
    // A peer that writes nonsense here must not lead outside of the ring.
    const uint64_t there = std::min<uint64_t>(cursors_->written.load() - read_, capacity_);
    const size_t at = static_cast<size_t>(read_) & (capacity_ - 1);
    return {data_ + at, Aligned(std::min(static_cast<size_t>(there), capacity_ - at))};
  }

  // Passes over the first `n` bytes of Peek(). The writer learns of it with Publish.
  void Pop(size_t n) {
    read_ += n;
    unpublished_ += n;
  }

  size_t unpublished() const { return unpublished_; }
  size_t capacity() const { return capacity_; }

  void Publish() {
    unpublished_ = 0;
    cursors_->read.store(read_);
  }

 private:
  RingCursors* cursors_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
  uint64_t read_ = 0;
  size_t unpublished_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_RING_H_
