// What travels between two ranks once they trust each other: frames, a fixed header and a payload
// padded to 16 bytes. Frames look the same in a shared-memory ring and on a socket. Byte order is
// the host's: ranks of one job run on one kind of processor (the handshake checks it).
#ifndef TF_DDL_TRANSPORT_FRAME_H_
#define TF_DDL_TRANSPORT_FRAME_H_

#include <cstddef>
#include <cstdint>

#include "transport/pair.h"

namespace tf_ddl {

enum class FrameType : uint16_t {
  kData = 1,     // a whole message follows
  kOffer = 2,    // the addresses of a message follow (OfferedPiece); the receiver reads it there
  kAck = 3,      // an offered message has been read; its memory is the sender's again
  kControl = 4,  // see ControlKind
  kWake = 5,     // nothing: there is news in shared memory
};

constexpr uint32_t kFrameMagic = 0x4C644474;
constexpr size_t kFrameAlign = 16;

struct FrameHeader {
  uint32_t magic = kFrameMagic;
  uint16_t type = 0;
  uint16_t reserved = 0;
  uint32_t control = 0;  // ControlKind of a control frame
  uint32_t pieces = 0;   // of an offer
  Tag tag;
  uint64_t bytes = 0;  // of the message (data, offer) or of the payload (control)
  uint64_t id = 0;     // of an offer, and of its ack
  uint64_t reserved2 = 0;
};
static_assert(sizeof(FrameHeader) == 64, "the header is part of the protocol");

struct OfferedPiece {
  uint64_t address = 0;
  uint64_t bytes = 0;
};
static_assert(sizeof(OfferedPiece) == 16, "offers are part of the protocol");

// Beyond these a frame is garbage.
constexpr uint64_t kMaxMessageBytes = uint64_t{1} << 38;
constexpr uint64_t kMaxControlBytes = uint64_t{256} << 20;
constexpr uint32_t kMaxOfferedPieces = 1u << 22;

// Messages up to this size are copied even where the receiver could read them in place.
constexpr size_t kEagerBytes = 16 << 10;
// Offered messages are read, and reductions fed, in pieces that stay in a core's cache.
constexpr size_t kPieceBytes = 256 << 10;
// What one Poll of one pair moves in each direction, about.
constexpr size_t kPollBytes = 1 << 20;

constexpr size_t Padded(size_t n) { return (n + kFrameAlign - 1) & ~(kFrameAlign - 1); }
constexpr size_t Aligned(size_t n) { return n & ~(kFrameAlign - 1); }

inline size_t PayloadBytes(const FrameHeader& header) {
  switch (static_cast<FrameType>(header.type)) {
    case FrameType::kData:
    case FrameType::kControl:
      return header.bytes;
    case FrameType::kOffer:
      return header.pieces * sizeof(OfferedPiece);
    case FrameType::kAck:
    case FrameType::kWake:
      return 0;
  }
  return 0;
}

inline bool IsValid(const FrameHeader& header) {
  if (header.magic != kFrameMagic) return false;
  switch (static_cast<FrameType>(header.type)) {
    case FrameType::kData:
      return header.bytes <= kMaxMessageBytes;
    case FrameType::kOffer:
      return header.bytes <= kMaxMessageBytes && header.pieces > 0 &&
             header.pieces <= kMaxOfferedPieces;
    case FrameType::kControl:
      return header.bytes <= kMaxControlBytes;
    case FrameType::kAck:
    case FrameType::kWake:
      return true;
  }
  return false;
}

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_FRAME_H_
