#include "comm/sinks.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/reduce.h"

namespace tf_ddl {
namespace {

class ElementSink : public Sink {
 public:
  ElementSink(const Elements* elements, const Step& step, size_t element_bytes, uint64_t priority)
      : elements_(elements), step_(step), element_bytes_(element_bytes), priority_(priority) {}
  size_t bytes() const override {
    return static_cast<size_t>(step_.end - step_.begin) * element_bytes_;
  }
  uint64_t priority() const override { return priority_; }
  void Windows(size_t, size_t, std::vector<iovec>*) override {}

 protected:
  // Visits the stretches that message bytes [offset, offset + n) belong to; `data` moves along.
  template <typename Visit>
  void ForEach(size_t offset, const uint8_t* data, size_t n, const Visit& visit) {
    const int64_t begin = step_.begin + static_cast<int64_t>(offset / element_bytes_);
    const int64_t end = begin + static_cast<int64_t>(n / element_bytes_);
    elements_->ForEach(begin, end, [&](const Elements::Stretch& s) {
      visit(s, data);
      data += static_cast<size_t>(s.count) * element_bytes_;
    });
  }
  const uint8_t* OwnOf(const Elements::Stretch& s) const {
    return step_.buffer == Buffer::kInput ? s.in : s.out;
  }

  const Elements* const elements_;
  const Step step_;
  const size_t element_bytes_;  // on the wire

 private:
  const uint64_t priority_;
};

class CopySink : public ElementSink {
 public:
  using ElementSink::ElementSink;
  void Windows(size_t offset, size_t max_bytes, std::vector<iovec>* out) override {
    // Pieces are whole elements except where a message is cut; cut off the excess at both ends.
    const size_t size = element_bytes_;
    const int64_t begin = step_.begin + static_cast<int64_t>(offset / size);
    const size_t head = offset % size;
    const size_t until = std::min(offset + max_bytes, bytes());
    const int64_t end = step_.begin + static_cast<int64_t>((until + size - 1) / size);
    const size_t tail = (size - until % size) % size;
    const size_t first = out->size();
    elements_->AppendPieces(step_.buffer, step_.peer, begin, end, out);
    if (out->size() == first) return;
    (*out)[first].iov_base = static_cast<uint8_t*>((*out)[first].iov_base) + head;
    (*out)[first].iov_len -= head;
    out->back().iov_len -= tail;
  }
  void Consume(size_t offset, const uint8_t* data, size_t n) override {
    std::vector<iovec> pieces;
    Windows(offset, n, &pieces);
    for (const iovec& piece : pieces) {
      std::memcpy(piece.iov_base, data, piece.iov_len);
      data += piece.iov_len;
    }
  }
};

class ReduceSink : public ElementSink {
 public:
  using ElementSink::ElementSink;
  void Consume(size_t offset, const uint8_t* data, size_t n) override {
    ForEach(offset, data, n, [this](const Elements::Stretch& s, const uint8_t* arrived) {
      Add(elements_->dtype(), s.out, OwnOf(s), arrived, s.count);
    });
  }
};

class WideningSink : public ElementSink {
 public:
  WideningSink(const Elements* elements, const Step& step, WireFormat format, uint64_t priority)
      : ElementSink(elements, step, sizeof(uint16_t), priority), format_(format) {}
  void Consume(size_t offset, const uint8_t* data, size_t n) override {
    ForEach(offset, data, n, [this](const Elements::Stretch& s, const uint8_t* arrived) {
      auto* out = reinterpret_cast<float*>(s.out);
      const auto* wire = reinterpret_cast<const uint16_t*>(arrived);
      if (step_.kind == StepKind::kRecvReduce) {
        AddWire(format_, out, reinterpret_cast<const float*>(OwnOf(s)), wire, s.count);
      } else {
        Widen(format_, out, wire, s.count);
      }
    });
  }

 private:
  const WireFormat format_;
};

}  // namespace

std::unique_ptr<Sink> NewSink(const Elements* elements, const Step& step, WireFormat format,
                              uint64_t priority) {
  if (format != WireFormat::kAsIs) {
    return std::make_unique<WideningSink>(elements, step, format, priority);
  }
  const size_t bytes = elements->element_bytes();
  if (step.kind == StepKind::kRecvReduce) {
    return std::make_unique<ReduceSink>(elements, step, bytes, priority);
  }
  return std::make_unique<CopySink>(elements, step, bytes, priority);
}

}  // namespace tf_ddl
