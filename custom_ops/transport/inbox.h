// Brings arriving messages and posted Receives together, and moves the bytes into the sinks.
//
// A message comes either as a data frame, whose bytes pass by in the stream and go straight to the
// sink (or, before its Receive is posted, into a copy), or as an offer, which is read from the
// peer's memory once its Receive is there.
#ifndef TF_DDL_TRANSPORT_INBOX_H_
#define TF_DDL_TRANSPORT_INBOX_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "transport/frame.h"
#include "transport/remote_reader.h"

namespace tf_ddl {

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
using Bytes = std::unique_ptr<uint8_t, FreeDeleter>;

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

  // The stream: one data frame at a time.
  Status BeginData(const FrameHeader& header);
  Status Data(size_t offset, const uint8_t* data, size_t n);
  Status EndData();
  // Where bytes [offset, offset + n) of the current data frame may be written directly; empty if
  // they must go through Data.
  void DirectWindows(size_t offset, size_t n, std::vector<iovec>* out);
  void DirectDone(size_t n);

  Status Offer(const FrameHeader& header, const std::vector<uint8_t>& payload);

  // Whether Work has something to do: messages that are there and wanted.
  bool has_work() const { return !ready_.empty(); }
  // Moves about `budget` bytes; adds what it moved to `moved`. kUnavailable: the peer's memory
  // cannot be read any more.
  Status Work(size_t budget, size_t* moved);

  // Drops everything, callbacks included.
  void Clear();

 private:
  struct Message {
    Tag tag;
    size_t bytes = 0;
    Sink* sink = nullptr;
    std::function<void()> done;
    size_t delivered = 0;
    Bytes copy;  // of a data frame that came before its Receive
    bool offered = false;
    uint64_t id = 0;
    std::vector<OfferedPiece> pieces;
    size_t piece = 0;  // of an offer, where the next byte to read is
    size_t piece_offset = 0;
  };
  struct Posted {
    Sink* sink;
    std::function<void()> done;
  };

  void Ready(Message message);
  // Joins a message and a Receive: an error if their sizes differ.
  Status Match(Message* message, Sink* sink, std::function<void()> done);
  // Takes the Receive posted for the message, if there is one.
  Status MatchPosted(Message* message);
  void Deliver(Message* message, const uint8_t* data, size_t n);
  void CatchUp();
  Status Pull(Message* message, size_t* n);
  void Finish(Message message);

  const int rank_;
  const int peer_;
  RemoteReader* const reader_;
  InboxEvents* const events_;
  std::unordered_map<Tag, Posted, TagHash> posted_;
  std::unordered_map<Tag, Message, TagHash> unexpected_;
  std::multimap<uint64_t, Message> ready_;  // by priority; equals in order of arrival
  bool in_data_ = false;
  Message current_;     // the data frame that is arriving
  size_t arrived_ = 0;  // bytes of it
  std::vector<iovec> windows_;
  std::vector<iovec> remote_;
  Bytes scratch_;  // kPieceBytes, made when first needed
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_INBOX_H_
