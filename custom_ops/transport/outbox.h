// The queue of frames that wait to be written into a ring or a socket, first in, first out.
#ifndef TF_DDL_TRANSPORT_OUTBOX_H_
#define TF_DDL_TRANSPORT_OUTBOX_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "transport/frame.h"
#include "transport/ring.h"

namespace tf_ddl {

class Outbox {
 public:
  using Callbacks = std::deque<std::function<void()>>;

  // A frame whose payload is memory of the caller's; `done`, which may be empty, is appended to
  // the Callbacks of the write that takes the frame's last byte.
  void Push(const FrameHeader& header, std::vector<iovec> payload, std::function<void()> done);
  // A frame that owns its payload.
  void PushOwned(const FrameHeader& header, std::vector<uint8_t> payload);

  bool empty() const { return frames_.empty(); }
  size_t bytes() const { return bytes_; }  // not written yet

  // Copies what fits, at most about `budget` bytes, and publishes it as it goes. Returns bytes.
  size_t WriteTo(RingWriter* ring, size_t budget, Callbacks* done);
  // One sendmsg. Returns bytes, or -1 with errno as sendmsg leaves it.
  ssize_t WriteTo(int socket, size_t budget, Callbacks* done);

  // Forgets data, offers and acks of which nothing has been written; control frames stay.
  void DropUnstartedData();
  void Clear();

 private:
  struct Outgoing {
    FrameHeader header;
    std::vector<uint8_t> owned;
    std::vector<iovec> pieces;  // header, payload, padding
    std::function<void()> done;
  };

  void Add(Outgoing frame);
  void Advance(size_t n, Callbacks* done);

  std::deque<Outgoing> frames_;
  size_t piece_ = 0;   // in the first frame, where the next byte to write is
  size_t offset_ = 0;  // in that piece
  size_t bytes_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_OUTBOX_H_
