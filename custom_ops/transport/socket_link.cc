#include "transport/socket_link.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace tf_ddl {
namespace {

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

SocketLink::SocketLink(Fd socket, size_t buffer_bytes, FrameReader* frames, Arrival* arrival)
    : socket_(std::move(socket)), guard_(socket_.get()), reader_(buffer_bytes, frames, arrival) {}

Status SocketLink::Read(size_t budget, size_t* moved) {
  size_t n = 0;
  while (open() && n < budget) {
    SocketReader::Result result;
    int error = 0;
    DDL_RETURN_IF_ERROR(reader_.Read(fd(), &result, &error, &n));
    if (result == SocketReader::Result::kEmpty) break;
    if (result == SocketReader::Result::kMoved) continue;
    ended_ = true;
    if (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH) {
      end_reason_ = "its host does not answer (" + std::generic_category().message(error) + ")";
    }
    Close();
    ++n;  // an end is news too
  }
  *moved += n;
  return OkStatus();
}

size_t SocketLink::Write(size_t budget, Outbox::Callbacks* done, Status* broken) {
  size_t moved = 0;
  while (open() && !out_.empty() && moved < budget) {
    const ssize_t n = out_.WriteTo(fd(), budget, done);
    if (n >= 0) {
      moved += static_cast<size_t>(n);
    } else if (WouldBlock(errno)) {
      break;
    } else if (errno != EINTR) {
      *broken =
          Unavailable("the connection broke (" + std::generic_category().message(errno) + ")");
      out_.Clear();
    }
  }
  bytes_written_.store(bytes_written() + moved, std::memory_order_relaxed);
  return moved;
}

void SocketLink::Discard(size_t budget) {
  uint8_t bytes[4096];
  size_t moved = 0;
  while (open() && moved < budget) {
    const ssize_t n = recv(fd(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
      moved += static_cast<size_t>(n);
    } else if (n < 0 && WouldBlock(errno)) {
      break;
    } else if (n == 0 || errno != EINTR) {
      Close();
    }
  }
}

void SocketLink::Close() {
  guard_.Release();
  socket_.Reset();
}

bool SocketLink::confirmed() const {
  int unsent = 0;
  return ioctl(fd(), SIOCOUTQ, &unsent) != 0 || unsent == 0;
}

}  // namespace tf_ddl
