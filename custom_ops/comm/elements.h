// A bucket's elements: the concatenation of its segments, addressed by element ranges.
#ifndef TF_DDL_COMM_ELEMENTS_H_
#define TF_DDL_COMM_ELEMENTS_H_

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "base/dtype.h"
#include "comm/communicator.h"

namespace tf_ddl {

class Elements {
 public:
  // `scratch_slots` slots of `total elements` each are allocated for Buffer::kScratch.
  Elements(DType dtype, std::vector<TensorSegment> segments, int scratch_slots);
  Elements(const Elements&) = delete;
  Elements& operator=(const Elements&) = delete;

  DType dtype() const { return dtype_; }
  int64_t count() const { return begins_.back(); }
  size_t element_bytes() const { return element_bytes_; }

  // A stretch of elements that is contiguous in memory. `in` is null where the segment has no
  // input (the places of other ranks in an all-gather).
  struct Stretch {
    const uint8_t* in;
    uint8_t* out;
    int64_t count;
  };
  // Calls `visit` for the stretches that make up [begin, end), in order.
  void ForEach(int64_t begin, int64_t end, const std::function<void(const Stretch&)>& visit) const;

  // Appends the memory of [begin, end) in `buffer` to `pieces`; `slot` counts for kScratch only.
  void AppendPieces(Buffer buffer, int slot, int64_t begin, int64_t end,
                    std::vector<iovec>* pieces) const;
  uint8_t* slot(int index) { return scratch_.data() + slot_bytes_ * index; }

 private:
  size_t FindSegment(int64_t element) const;

  const DType dtype_;
  const size_t element_bytes_;
  const std::vector<TensorSegment> segments_;
  std::vector<int64_t> begins_;  // first element of each segment, then the total
  size_t slot_bytes_ = 0;
  std::vector<uint8_t> scratch_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_ELEMENTS_H_
