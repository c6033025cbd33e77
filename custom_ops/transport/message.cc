#include "transport/message.h"

#include <algorithm>
#include <cstring>

#include "transport/pieces.h"

namespace tf_ddl {

void Message::Deliver(const uint8_t* data, size_t n, std::vector<iovec>* scratch) {
  while (n > 0) {
    size_t part = std::min(n, kPieceBytes);
    scratch->clear();
    sink->Windows(delivered, part, scratch);
    if (scratch->empty()) {
      sink->Consume(delivered, data, part);
    } else {
      part = KeepFront(scratch, part, scratch->size());
      CopyIn(*scratch, data, part);
    }
    delivered += part;
    data += part;
    n -= part;
  }
}

}  // namespace tf_ddl
