#include "transport/socket_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "transport/pieces.h"

namespace tf_ddl {
namespace {

constexpr size_t kMaxPieces = 512;

}  // namespace

SocketReader::SocketReader(size_t buffer_bytes, FrameReader* frames, Arrival* arrival)
    : frames_(frames),
      arrival_(arrival),
      capacity_(buffer_bytes),
      buffer_(static_cast<uint8_t*>(std::aligned_alloc(64, buffer_bytes))) {}

size_t SocketReader::FindDirect() {
  windows_.clear();
  const size_t most = std::min(frames_->direct_bytes(), kPieceBytes);
  if (most <= rest_size_) return 0;
  arrival_->DirectWindows(frames_->direct_offset(), most, &windows_);
  const size_t direct = Aligned(KeepFront(&windows_, most, kMaxPieces));
  return KeepFront(&windows_, direct, kMaxPieces) > rest_size_ ? direct : 0;
}

Status SocketReader::Read(int socket, Result* result, int* error, size_t* moved) {
  const size_t direct = FindDirect();
  pieces_.clear();
  if (direct > 0) {
    pieces_ = windows_;
    DropFront(&pieces_, rest_size_);
    pieces_.push_back({buffer_.get(), capacity_});
  } else {
    pieces_.push_back({buffer_.get() + rest_size_, capacity_ - rest_size_});
  }
  ssize_t n;
  do {
    n = readv(socket, pieces_.data(), static_cast<int>(pieces_.size()));
  } while (n < 0 && errno == EINTR);
  if (n <= 0) {
    *error = n < 0 ? errno : 0;
    const bool empty = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    *result = empty ? Result::kEmpty : n == 0 ? Result::kEnd : Result::kError;
    return OkStatus();
  }
  *result = Result::kMoved;
  *moved += static_cast<size_t>(n);
  return direct > 0 ? TakeDirect(direct, static_cast<size_t>(n))
                    : TakeBuffered(static_cast<size_t>(n));
}

Status SocketReader::TakeDirect(size_t direct, size_t n) {
  CopyIn(windows_, rest_, rest_size_);
  const size_t all = rest_size_ + n;
  const size_t placed = std::min(all, direct);
  // The bytes after the last multiple of 16 are taken back, to be handed on with their followers.
  rest_size_ = placed - Aligned(placed);
  CopyOut(windows_, Aligned(placed), rest_size_, rest_);
  DDL_RETURN_IF_ERROR(frames_->SkipDirect(Aligned(placed)));
  return all > placed ? TakeBuffered(all - placed) : OkStatus();
}

Status SocketReader::TakeBuffered(size_t n) {
  std::memcpy(buffer_.get(), rest_, rest_size_);
  const size_t all = rest_size_ + n;
  const size_t whole = Aligned(all);
  rest_size_ = all - whole;
  std::memcpy(rest_, buffer_.get() + whole, rest_size_);
  return whole > 0 ? frames_->Feed({buffer_.get(), whole}) : OkStatus();
}

}  // namespace tf_ddl
