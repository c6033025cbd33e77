// Helpers for memory that lies in several pieces (lists of iovec): sizes, cutting, copying.
#ifndef TF_DDL_TRANSPORT_PIECES_H_
#define TF_DDL_TRANSPORT_PIECES_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tf_ddl {

size_t TotalBytes(const std::vector<iovec>& pieces);

// Keeps the first pieces, at most `max_pieces` and `max_bytes`, cutting the last one where needed.
// Returns the bytes kept.
size_t KeepFront(std::vector<iovec>* pieces, size_t max_bytes, size_t max_pieces);

// Passes over the first `n` bytes; there are at least as many.
void DropFront(std::vector<iovec>* pieces, size_t n);

// Copies `n` bytes into the beginning of `pieces`.
void CopyIn(const std::vector<iovec>& pieces, const uint8_t* data, size_t n);

// Copies bytes [begin, begin + n) of `pieces` to `out`.
void CopyOut(const std::vector<iovec>& pieces, size_t begin, size_t n, uint8_t* out);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_PIECES_H_
