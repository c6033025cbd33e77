// One socket of a pair: writes and reads its frames, and notices how the connection ends.
#ifndef TF_DDL_TRANSPORT_SOCKET_LINK_H_
#define TF_DDL_TRANSPORT_SOCKET_LINK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/fork_guard.h"
#include "base/status.h"
#include "transport/outbox.h"
#include "transport/socket_reader.h"

namespace tf_ddl {

class SocketLink {
 public:
  SocketLink(Fd socket, size_t buffer_bytes, FrameReader* frames, Arrival* arrival);

  int fd() const { return socket_.get(); }  // -1 once ended or closed
  bool open() const { return socket_.valid(); }
  Outbox& out() { return out_; }
  const Outbox& out() const { return out_; }

  // Reads about `budget` bytes; adds them to `moved`. At the end of the stream the socket is
  // closed (which takes it out of every epoll set), and ended() is true.
  Status Read(size_t budget, size_t* moved);
  bool ended() const { return ended_; }
  const std::string& end_reason() const { return end_reason_; }  // empty: the usual one

  // Writes about `budget` bytes of out(). Returns the bytes. When the connection turns out to be
  // broken, out() is cleared and `broken` says how: the peer's last words may still be readable.
  size_t Write(size_t budget, Outbox::Callbacks* done, Status* broken);

  // Reads and forgets, so that the socket neither fills up nor looks readable for ever.
  void Discard(size_t budget);
  // Whether the other host has confirmed all bytes; closing might lose the rest.
  bool confirmed() const;
  void Close();

  // Payload and headers that the socket took so far. Any thread.
  uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }

 private:
  Fd socket_;
  ForkGuard guard_;
  SocketReader reader_;
  Outbox out_;
  std::atomic<uint64_t> bytes_written_{0};
  bool ended_ = false;
  std::string end_reason_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_SOCKET_LINK_H_
