// The data frame that is arriving on one stream of a pair. A stream (a ring or a socket) carries
// one frame at a time, and a pair has several streams, so each has an Arrival of its own.
#ifndef TF_DDL_TRANSPORT_ARRIVAL_H_
#define TF_DDL_TRANSPORT_ARRIVAL_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "transport/frame.h"
#include "transport/message.h"

namespace tf_ddl {

class Inbox;

class Arrival {
 public:
  explicit Arrival(Inbox* inbox);
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;
  ~Arrival();

  Status Begin(const FrameHeader& header);
  Status Data(size_t offset, const uint8_t* data, size_t n);
  Status End();
  // Where bytes [offset, offset + n) of the frame may be written directly; empty if they must go
  // through Data.
  void DirectWindows(size_t offset, size_t n, std::vector<iovec>* out);
  void DirectDone(size_t n);

  // The message, if it is `tag` and its Receive is not there yet; else null.
  Message* Unclaimed(const Tag& tag);
  void Clear();

 private:
  // Bytes that arrived before the Receive lie in the copy; the sink gets them first.
  void CatchUp();

  Inbox* const inbox_;
  bool in_data_ = false;
  Message message_;
  size_t arrived_ = 0;  // bytes of it
  std::vector<iovec> windows_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_ARRIVAL_H_
