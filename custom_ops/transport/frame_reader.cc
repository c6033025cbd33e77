#include "transport/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tf_ddl {

Status FrameReader::Feed(Span span) {
  while (span.size > 0) {
    size_t n = 0;
    if (!in_payload_) {
      n = std::min(span.size, sizeof header_ - header_fill_);
      std::memcpy(reinterpret_cast<uint8_t*>(&header_) + header_fill_, span.data, n);
      header_fill_ += n;
      if (header_fill_ == sizeof header_) DDL_RETURN_IF_ERROR(HeaderDone());
    } else {
      n = std::min(span.size, Padded(left_));
      const size_t bytes = std::min(n, left_);
      if (IsData()) {
        DDL_RETURN_IF_ERROR(target_->OnDataBytes(offset_, span.data, bytes));
      } else {
        payload_.insert(payload_.end(), span.data, span.data + bytes);
      }
      offset_ += bytes;
      left_ -= bytes;
      if (left_ == 0) DDL_RETURN_IF_ERROR(PayloadDone());
    }
    span.data += n;
    span.size -= n;
  }
  return OkStatus();
}

Status FrameReader::SkipDirect(size_t n) {
  target_->OnDataDirect(n);
  offset_ += n;
  left_ -= n;
  return left_ == 0 ? PayloadDone() : OkStatus();
}

Status FrameReader::HeaderDone() {
  header_fill_ = 0;
  if (!IsValid(header_)) return Internal("sent bytes that are no frame of this protocol");
  in_payload_ = true;
  offset_ = 0;
  left_ = PayloadBytes(header_);
  if (IsData()) DDL_RETURN_IF_ERROR(target_->OnDataBegin(header_));
  return left_ == 0 ? PayloadDone() : OkStatus();
}

Status FrameReader::PayloadDone() {
  in_payload_ = false;
  if (IsData()) return target_->OnDataEnd();
  return target_->OnFrame(header_, std::exchange(payload_, {}));
}

}  // namespace tf_ddl
