// Splits a stream of bytes into frames. Bytes come in whatever amounts a read returns, so a frame
// may come in several parts.
#ifndef TF_DDL_TRANSPORT_FRAME_READER_H_
#define TF_DDL_TRANSPORT_FRAME_READER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "transport/frame.h"
#include "transport/ring.h"

namespace tf_ddl {

class FrameTarget {
 public:
  virtual ~FrameTarget() = default;
  // A data frame; its bytes follow in order, in 16-byte aligned pieces of multiples of 16 (the
  // last may be shorter).
  virtual Status OnDataBegin(const FrameHeader& header) = 0;
  virtual Status OnDataBytes(size_t offset, const uint8_t* data, size_t n) = 0;
  virtual void OnDataDirect(size_t n) = 0;  // `n` bytes have bypassed OnDataBytes
  virtual Status OnDataEnd() = 0;
  // Any other frame, whole.
  virtual Status OnFrame(const FrameHeader& header, std::vector<uint8_t> payload) = 0;
};

class FrameReader {
 public:
  explicit FrameReader(FrameTarget* target) : target_(target) {}

  // Takes all of `span`: 16-byte aligned, a multiple of 16 bytes. After an error the stream is
  // beyond understanding.
  Status Feed(Span span);

  // Bytes of the current data frame that may bypass Feed: the caller puts them in their place
  // (message bytes from direct_offset() on) and says so with SkipDirect, in multiples of 16.
  size_t direct_bytes() const { return in_payload_ && IsData() ? Aligned(left_) : 0; }
  size_t direct_offset() const { return offset_; }
  Status SkipDirect(size_t n);

 private:
  bool IsData() const { return static_cast<FrameType>(header_.type) == FrameType::kData; }
  Status HeaderDone();
  Status PayloadDone();

  FrameTarget* const target_;
  FrameHeader header_;
  size_t header_fill_ = 0;
  bool in_payload_ = false;
  size_t offset_ = 0;  // payload bytes seen
  size_t left_ = 0;    // payload bytes to come
  std::vector<uint8_t> payload_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_FRAME_READER_H_
