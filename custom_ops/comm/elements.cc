#include "comm/elements.h"

#include <algorithm>

namespace tf_ddl {
namespace {

std::vector<TensorSegment> WithoutEmpty(std::vector<TensorSegment> segments) {
  segments.erase(std::remove_if(segments.begin(), segments.end(),
                                [](const TensorSegment& s) { return s.count == 0; }),
                 segments.end());
  return segments;
}

}  // namespace

Elements::Elements(DType dtype, std::vector<TensorSegment> segments, int scratch_slots)
    : dtype_(dtype), element_bytes_(SizeOf(dtype)), segments_(WithoutEmpty(std::move(segments))) {
  int64_t at = 0;
  for (const TensorSegment& segment : segments_) {
    begins_.push_back(at);
    at += segment.count;
  }
  begins_.push_back(at);
  slot_bytes_ = (at * element_bytes_ + 63) / 64 * 64;
  scratch_.resize(slot_bytes_ * scratch_slots);
}

size_t Elements::FindSegment(int64_t element) const {
  return std::upper_bound(begins_.begin(), begins_.end() - 1, element) - begins_.begin() - 1;
}

void Elements::ForEach(int64_t begin, int64_t end,
                       const std::function<void(const Stretch&)>& visit) const {
  if (begin >= end) return;
  for (size_t i = FindSegment(begin); begin < end; ++i) {
    const int64_t offset = begin - begins_[i];
    const int64_t n = std::min(end, begins_[i + 1]) - begin;
    const size_t bytes = offset * element_bytes_;
    const TensorSegment& segment = segments_[i];
    visit({segment.in == nullptr ? nullptr : static_cast<const uint8_t*>(segment.in) + bytes,
           segment.out == nullptr ? nullptr : static_cast<uint8_t*>(segment.out) + bytes, n});
    begin += n;
  }
}

void Elements::AppendPieces(Buffer buffer, int slot, int64_t begin, int64_t end,
                            std::vector<iovec>* pieces) const {
  if (buffer == Buffer::kScratch) {
    const uint8_t* base = scratch_.data() + slot_bytes_ * slot + begin * element_bytes_;
    pieces->push_back({const_cast<uint8_t*>(base), (end - begin) * element_bytes_});
    return;
  }
  ForEach(begin, end, [&](const Stretch& s) {
    const uint8_t* base = buffer == Buffer::kInput ? s.in : s.out;
    pieces->push_back({const_cast<uint8_t*>(base), s.count * element_bytes_});
  });
}

}  // namespace tf_ddl
