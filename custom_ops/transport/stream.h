// A stream is a ring or a socket from which a pair reads frames. Data goes to the inbox, all other
// frames to a handler.
#ifndef TF_DDL_TRANSPORT_STREAM_H_
#define TF_DDL_TRANSPORT_STREAM_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "transport/arrival.h"
#include "transport/frame_reader.h"
#include "transport/inbox.h"

namespace tf_ddl {

class Stream : private FrameTarget {
 public:
  // A frame that is no data, whole.
  using Handler =
      std::function<Status(Stream* from, const FrameHeader& header, std::vector<uint8_t> payload)>;

  Stream(Inbox* inbox, Handler handler)
      : arrival_(inbox), frames_(this), handler_(std::move(handler)) {}

  FrameReader* frames() { return &frames_; }
  Arrival* arrival() { return &arrival_; }

  // The peer's goodbye has come on this stream: nothing else will.
  bool bye = false;

 private:
  Status OnDataBegin(const FrameHeader& header) override { return arrival_.Begin(header); }
  Status OnDataBytes(size_t offset, const uint8_t* data, size_t n) override {
    return arrival_.Data(offset, data, n);
  }
  void OnDataDirect(size_t n) override { arrival_.DirectDone(n); }
  Status OnDataEnd() override { return arrival_.End(); }
  Status OnFrame(const FrameHeader& header, std::vector<uint8_t> payload) override {
    return handler_(this, header, std::move(payload));
  }

  Arrival arrival_;
  FrameReader frames_;
  const Handler handler_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_STREAM_H_
