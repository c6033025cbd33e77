// Reads a nonblocking socket and passes the bytes to a FrameReader. Where the destination of a
// message is known, its bytes are read straight into it, which saves a copy.
#ifndef TF_DDL_TRANSPORT_SOCKET_READER_H_
#define TF_DDL_TRANSPORT_SOCKET_READER_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "transport/arrival.h"
#include "transport/frame_reader.h"

namespace tf_ddl {

class SocketReader {
 public:
  enum class Result { kMoved, kEmpty, kEnd, kError };

  SocketReader(size_t buffer_bytes, FrameReader* frames, Arrival* arrival);

  // One read; adds the bytes to `moved`. kEnd: the peer has closed. kError: `error` is the errno.
  // A Status that is not ok: what was read is no frame, or the message does not fit.
  Status Read(int socket, Result* result, int* error, size_t* moved);

 private:
  // The places for the next bytes of the current message: a multiple of 16 bytes, in windows_.
  size_t FindDirect();
  Status TakeDirect(size_t direct, size_t n);
  Status TakeBuffered(size_t n);

  FrameReader* const frames_;
  Arrival* const arrival_;
  const size_t capacity_;
  const Bytes buffer_;
  // The stream is handed on in multiples of 16 bytes; what is over waits here.
  uint8_t rest_[kFrameAlign];
  size_t rest_size_ = 0;
  std::vector<iovec> windows_;
  std::vector<iovec> pieces_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_SOCKET_READER_H_
