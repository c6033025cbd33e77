// A message on its way from a stream, or from the peer's memory, to its sink.
#ifndef TF_DDL_TRANSPORT_MESSAGE_H_
#define TF_DDL_TRANSPORT_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "transport/frame.h"
#include "transport/pair.h"

namespace tf_ddl {

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
using Bytes = std::unique_ptr<uint8_t, FreeDeleter>;

// 64-byte aligned; null if there is no memory.
inline Bytes AllocateBytes(size_t n) {
  return Bytes(static_cast<uint8_t*>(std::aligned_alloc(64, (n + 64) & ~size_t{63})));
}

struct Message {
  Tag tag;
  size_t bytes = 0;
  Sink* sink = nullptr;  // null until its Receive is there
  std::function<void()> done;
  size_t delivered = 0;
  Bytes copy;  // of a data frame that came before its Receive
  bool offered = false;
  uint64_t id = 0;
  std::vector<OfferedPiece> pieces;
  size_t piece = 0;  // of an offer, where the next byte to read is
  size_t piece_offset = 0;

  // Gives the next `n` bytes to the sink. `scratch` saves an allocation.
  void Deliver(const uint8_t* data, size_t n, std::vector<iovec>* scratch);
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_MESSAGE_H_
