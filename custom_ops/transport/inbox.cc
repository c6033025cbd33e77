#include "transport/inbox.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "transport/pieces.h"

namespace tf_ddl {
Inbox::Inbox(int rank, int peer, RemoteReader* reader, InboxEvents* events)
    : rank_(rank), peer_(peer), reader_(reader), events_(events) {}

Status Inbox::Match(Message* message, Sink* sink, std::function<void()> done) {
  if (message->bytes != sink->bytes()) {
    return InvalidArgument("rank " + std::to_string(peer_) + " sent " +
                           std::to_string(message->bytes) + " bytes where rank " +
                           std::to_string(rank_) + " expects " + std::to_string(sink->bytes()) +
                           ": the two ranks do not run the same step on the same shapes");
  }
  message->sink = sink;
  message->done = std::move(done);
  return OkStatus();
}

Status Inbox::Claim(Message* message) {
  auto posted = posted_.find(message->tag);
  if (posted == posted_.end()) return OkStatus();
  Posted receive = std::move(posted->second);
  posted_.erase(posted);
  return Match(message, receive.sink, std::move(receive.done));
}

void Inbox::Ready(Message message) {
  const uint64_t priority = message.sink->priority();
  ready_.emplace(priority, std::move(message));
}

Status Inbox::Receive(const Tag& tag, Sink* sink, std::function<void()> done) {
  auto kept = unexpected_.find(tag);
  if (kept != unexpected_.end()) {
    Message message = std::move(kept->second);
    unexpected_.erase(kept);
    DDL_RETURN_IF_ERROR(Match(&message, sink, std::move(done)));
    Ready(std::move(message));
    return OkStatus();
  }
  for (Arrival* arrival : arrivals_) {
    Message* const message = arrival->Unclaimed(tag);
    if (message != nullptr) return Match(message, sink, std::move(done));
  }
  if (!posted_.emplace(tag, Posted{sink, std::move(done)}).second) {
    return Internal("two receives from rank " + std::to_string(peer_) +
                    " were posted at once "
                    "under one tag");
  }
  return OkStatus();
}

void Inbox::Remove(Arrival* arrival) {
  arrivals_.erase(std::find(arrivals_.begin(), arrivals_.end(), arrival));
}

Status Inbox::NoMemory(size_t bytes) const {
  return Internal("no memory for a message of " + std::to_string(bytes) + " bytes from rank " +
                  std::to_string(peer_));
}

Status Inbox::Arrived(Message message) {
  if (message.sink != nullptr) {
    Finish(std::move(message));
    return OkStatus();
  }
  const Tag tag = message.tag;
  if (unexpected_.emplace(tag, std::move(message)).second) return OkStatus();
  return Internal("sent two messages under one tag");
}

Status Inbox::Offer(const FrameHeader& header, const std::vector<uint8_t>& payload) {
  if (reader_ == nullptr) return Internal("offered memory that this rank did not agree to read");
  Message message;
  message.tag = header.tag;
  message.bytes = header.bytes;
  message.offered = true;
  message.id = header.id;
  message.pieces.resize(header.pieces);
  std::memcpy(message.pieces.data(), payload.data(), payload.size());
  uint64_t total = 0;
  for (const OfferedPiece& piece : message.pieces) {
    if (piece.bytes == 0 || piece.bytes > header.bytes - total) {
      return Internal("sent an offer that does not add up");
    }
    total += piece.bytes;
  }
  if (total != header.bytes) return Internal("sent an offer that does not add up");
  DDL_RETURN_IF_ERROR(Claim(&message));
  if (message.sink != nullptr) {
    Ready(std::move(message));
    return OkStatus();
  }
  return Arrived(std::move(message));
}

Status Inbox::Pull(Message* message, size_t* moved) {
  const size_t want = std::min(kPieceBytes, message->bytes - message->delivered);
  remote_.clear();
  size_t n = 0;
  size_t skip = message->piece_offset;
  for (size_t i = message->piece; n < want && remote_.size() < RemoteReader::kMaxPieces; ++i) {
    const OfferedPiece& piece = message->pieces[i];
    const size_t part = std::min<size_t>(piece.bytes - skip, want - n);
    remote_.push_back({reinterpret_cast<void*>(piece.address + skip), part});
    n += part;
    skip = 0;
  }
  if (message->delivered + n < message->bytes) n = Aligned(n);
  windows_.clear();
  message->sink->Windows(message->delivered, n, &windows_);
  const bool direct = !windows_.empty();
  if (direct) {
    n = KeepFront(&windows_, n, RemoteReader::kMaxPieces);
  } else {
    if (scratch_ == nullptr) scratch_ = AllocateBytes(kPieceBytes);
    windows_.push_back({scratch_.get(), n});
  }
  KeepFront(&remote_, n, remote_.size());
  const int error = reader_->Read(windows_, remote_);
  if (error != 0) {
    return Unavailable("its memory cannot be read any more (" +
                       std::generic_category().message(error) + ")");
  }
  if (!direct) message->sink->Consume(message->delivered, scratch_.get(), n);
  message->delivered += n;
  *moved += n;
  for (size_t left = n; left > 0;) {
    const size_t part =
        std::min<size_t>(left, message->pieces[message->piece].bytes - message->piece_offset);
    left -= part;
    message->piece_offset += part;
    if (message->piece_offset == message->pieces[message->piece].bytes) {
      ++message->piece;
      message->piece_offset = 0;
    }
  }
  return OkStatus();
}

Status Inbox::Work(size_t budget, size_t* moved) {
  size_t done = 0;
  while (!ready_.empty() && done < budget) {
    Message& message = ready_.begin()->second;
    if (message.offered) {
      DDL_RETURN_IF_ERROR(Pull(&message, &done));
    } else {
      const size_t n = std::min(kPieceBytes, message.bytes - message.delivered);
      message.Deliver(message.copy.get() + message.delivered, n, &windows_);
      done += n;
    }
    if (message.delivered == message.bytes) {
      Message finished = std::move(message);
      ready_.erase(ready_.begin());
      Finish(std::move(finished));
      ++done;  // an empty message is progress too
    }
  }
  *moved += done;
  return OkStatus();
}

void Inbox::Finish(Message message) {
  if (message.offered) events_->OnOfferRead(message.tag, message.id);
  events_->OnReceived(std::move(message.done));
}

void Inbox::Clear() {
  posted_.clear();
  unexpected_.clear();
  ready_.clear();
  for (Arrival* arrival : arrivals_) arrival->Clear();
}

}  // namespace tf_ddl
