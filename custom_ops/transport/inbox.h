// Matches arriving messages with posted Receives, and moves the bytes into the sinks.
//
// A message comes either as a data frame, whose bytes pass by in a stream and go straight to the
// sink (or, before its Receive is posted, into a copy; see Arrival), or as an offer, which is read
// from the peer's memory once its Receive is posted.
#ifndef TF_DDL_TRANSPORT_INBOX_H_
#define TF_DDL_TRANSPORT_INBOX_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "transport/arrival.h"
#include "transport/frame.h"
#include "transport/message.h"
#include "transport/remote_reader.h"

namespace tf_ddl {

class InboxEvents {
 public:
  virtual ~InboxEvents() = default;
  virtual void OnReceived(std::function<void()> done) = 0;
  // The offer `id` has been read.
  virtual void OnOfferRead(const Tag& tag, uint64_t id) = 0;
};

class Inbox {
 public:
  // `reader` is null where there are no offers. Ranks are for error messages.
  Inbox(int rank, int peer, RemoteReader* reader, InboxEvents* events);

  Status Receive(const Tag& tag, Sink* sink, std::function<void()> done);

  // For the streams' arrivals. Claim joins a message that begins with its Receive, if that is
  // there; Arrived takes one that is whole.
  void Add(Arrival* arrival) { arrivals_.push_back(arrival); }
  void Remove(Arrival* arrival);
  Status Claim(Message* message);
  Status Arrived(Message message);
  Status NoMemory(size_t bytes) const;

  Status Offer(const FrameHeader& header, const std::vector<uint8_t>& payload);

  // Whether Work has something to do: messages that are there and wanted.
  bool has_work() const { return !ready_.empty(); }
  // Moves about `budget` bytes; adds what it moved to `moved`. kUnavailable: the peer's memory
  // cannot be read any more.
  Status Work(size_t budget, size_t* moved);

  // Drops everything, callbacks included.
  void Clear();

 private:
  struct Posted {
    Sink* sink;
    std::function<void()> done;
  };

  void Ready(Message message);
  // Joins a message and a Receive: an error if their sizes differ.
  Status Match(Message* message, Sink* sink, std::function<void()> done);
  Status Pull(Message* message, size_t* n);
  void Finish(Message message);

  const int rank_;
  const int peer_;
  RemoteReader* const reader_;
  InboxEvents* const events_;
  std::unordered_map<Tag, Posted, TagHash> posted_;
  std::unordered_map<Tag, Message, TagHash> unexpected_;
  std::multimap<uint64_t, Message> ready_;  // by priority; equals in order of arrival
  std::vector<Arrival*> arrivals_;          // what is arriving on each stream
  std::vector<iovec> windows_;
  std::vector<iovec> remote_;
  Bytes scratch_;  // kPieceBytes, made when first needed
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_INBOX_H_
