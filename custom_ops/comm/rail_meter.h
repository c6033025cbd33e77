// How much a rank sends over a rail, and for how long it has had something to send there: their
// quotient is the rate at which the rank's interface takes data, whoever the data is for. It is too
// high where messages are few, since the kernel takes their ends before it has sent them.
#ifndef TF_DDL_COMM_RAIL_METER_H_
#define TF_DDL_COMM_RAIL_METER_H_

#include <cstdint>

#include "base/time.h"

namespace tf_ddl {

// Since the start.
struct RailUse {
  double bytes = 0;
  double seconds = 0;
};

class RailMeter {
 public:
  void Begin() {
    if (under_way_++ == 0) since_ = NowNanos();
  }
  void End(int64_t bytes) {
    bytes_ += bytes;
    if (--under_way_ == 0) nanos_ += NowNanos() - since_;
  }
  RailUse use() const {
    const int64_t nanos = nanos_ + (under_way_ > 0 ? NowNanos() - since_ : 0);
    return {static_cast<double>(bytes_), static_cast<double>(nanos) * 1e-9};
  }

 private:
  int under_way_ = 0;  // messages
  int64_t since_ = 0;
  int64_t bytes_ = 0;
  int64_t nanos_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_RAIL_METER_H_
