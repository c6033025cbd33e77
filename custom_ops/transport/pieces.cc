#include "transport/pieces.h"

#include <algorithm>
#include <cstring>

namespace tf_ddl {

size_t TotalBytes(const std::vector<iovec>& pieces) {
  size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

size_t KeepFront(std::vector<iovec>* pieces, size_t max_bytes, size_t max_pieces) {
  size_t total = 0;
  size_t count = 0;
  for (iovec& piece : *pieces) {
    if (count == max_pieces || total == max_bytes) break;
    piece.iov_len = std::min(piece.iov_len, max_bytes - total);
    total += piece.iov_len;
    ++count;
  }
  pieces->resize(count);
  return total;
}

void DropFront(std::vector<iovec>* pieces, size_t n) {
  size_t whole = 0;
  while (whole < pieces->size() && n >= (*pieces)[whole].iov_len) n -= (*pieces)[whole++].iov_len;
  pieces->erase(pieces->begin(), pieces->begin() + static_cast<std::ptrdiff_t>(whole));
  if (n > 0) {
    iovec& first = pieces->front();
    first = {static_cast<uint8_t*>(first.iov_base) + n, first.iov_len - n};
  }
}

void CopyIn(const std::vector<iovec>& pieces, const uint8_t* data, size_t n) {
  for (const iovec& piece : pieces) {
    const size_t part = std::min(n, piece.iov_len);
    if (part == 0) break;
    std::memcpy(piece.iov_base, data, part);
    data += part;
    n -= part;
  }
}

void CopyOut(const std::vector<iovec>& pieces, size_t begin, size_t n, uint8_t* out) {
  for (const iovec& piece : pieces) {
    if (begin >= piece.iov_len) {
      begin -= piece.iov_len;
      continue;
    }
    const size_t part = std::min(n, piece.iov_len - begin);
    if (part == 0) break;
    std::memcpy(out, static_cast<const uint8_t*>(piece.iov_base) + begin, part);
    out += part;
    n -= part;
    begin = 0;
  }
}

}  // namespace tf_ddl
