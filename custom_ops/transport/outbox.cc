#include "transport/outbox.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "transport/pieces.h"

namespace tf_ddl {
namespace {

// A ring's reader starts on the first bytes while the writer still copies the next.
constexpr size_t kPublishBytes = 64 << 10;

const uint8_t kZeros[kFrameAlign] = {};

iovec PieceAt(const void* base, size_t n) { return {const_cast<void*>(base), n}; }

}  // namespace

void Outbox::Push(const FrameHeader& header, std::vector<iovec> payload,
                  std::function<void()> done) {
  Outgoing frame;
  frame.header = header;
  frame.pieces = std::move(payload);
  frame.done = std::move(done);
  Add(std::move(frame));
}

void Outbox::PushOwned(const FrameHeader& header, std::vector<uint8_t> payload) {
  Outgoing frame;
  frame.header = header;
  frame.owned = std::move(payload);
  if (!frame.owned.empty()) {
    frame.pieces.push_back(PieceAt(frame.owned.data(), frame.owned.size()));
  }
  Add(std::move(frame));
}

void Outbox::Add(Outgoing frame) {
  frames_.push_back(std::move(frame));
  Outgoing& last = frames_.back();  // stays where it is until it is popped
  const size_t payload = PayloadBytes(last.header);
  last.pieces.insert(last.pieces.begin(), PieceAt(&last.header, sizeof last.header));
  const size_t padding = Padded(payload) - payload;
  if (padding > 0) last.pieces.push_back(PieceAt(kZeros, padding));
  bytes_ += sizeof last.header + payload + padding;
}

void Outbox::Advance(size_t n, Callbacks* done) {
  bytes_ -= n;
  while (n > 0) {
    Outgoing& frame = frames_.front();
    const size_t left = frame.pieces[piece_].iov_len - offset_;
    if (n < left) {
      offset_ += n;
      return;
    }
    n -= left;
    offset_ = 0;
    if (++piece_ < frame.pieces.size()) continue;
    if (frame.done) done->push_back(std::move(frame.done));
    frames_.pop_front();
    piece_ = 0;
  }
}

size_t Outbox::WriteTo(RingWriter* ring, size_t budget, Callbacks* done) {
  size_t total = 0;
  while (!frames_.empty() && total < budget) {
    Span span = ring->Free();
    span.size = std::min(span.size, kPublishBytes);
    if (span.size == 0) break;
    size_t filled = 0;
    while (filled < span.size && !frames_.empty()) {
      const iovec& piece = frames_.front().pieces[piece_];
      const size_t n = std::min(piece.iov_len - offset_, span.size - filled);
      std::memcpy(span.data + filled, static_cast<const uint8_t*>(piece.iov_base) + offset_, n);
      filled += n;
      Advance(n, done);
    }
    ring->Commit(filled);  // whole frames or a whole span: a multiple of 16
    total += filled;
  }
  return total;
}

ssize_t Outbox::WriteTo(int socket, size_t budget, Callbacks* done) {
  iovec pieces[256];
  size_t count = 0;
  size_t total = 0;
  size_t at = piece_;
  size_t offset = offset_;
  for (const Outgoing& frame : frames_) {
    for (; at < frame.pieces.size() && count < std::size(pieces) && total < budget; ++at) {
      const iovec& piece = frame.pieces[at];
      pieces[count++] = PieceAt(static_cast<uint8_t*>(piece.iov_base) + offset,
                                std::min(piece.iov_len - offset, budget - total));
      total += pieces[count - 1].iov_len;
      offset = 0;
    }
    at = 0;
    if (count == std::size(pieces) || total >= budget) break;
  }
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = count;
  const ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) Advance(static_cast<size_t>(sent), done);
  return sent;
}

void Outbox::DropUnstartedData() {
  const bool started = piece_ > 0 || offset_ > 0;
  std::deque<Outgoing> kept;
  for (size_t i = 0; i < frames_.size(); ++i) {
    const bool control = static_cast<FrameType>(frames_[i].header.type) == FrameType::kControl;
    if ((i == 0 && started) || control) {
      kept.push_back(std::move(frames_[i]));
    } else {
      bytes_ -= TotalBytes(frames_[i].pieces);
    }
  }
  for (Outgoing& frame : kept) frame.pieces[0].iov_base = &frame.header;
  frames_.swap(kept);
}

void Outbox::Clear() {
  frames_.clear();
  piece_ = 0;
  offset_ = 0;
  bytes_ = 0;
}

}  // namespace tf_ddl
