#include "comm/plan_run.h"

#include <algorithm>
#include <cstring>

#include "base/reduce.h"

namespace tf_ddl {

// Arriving elements are written to their place.
class PlanRun::CopySink : public Sink {
 public:
  CopySink(const Elements* elements, const Step& step, uint64_t priority)
      : elements_(elements), step_(step), priority_(priority) {}
  uint64_t priority() const override { return priority_; }
  size_t bytes() const override { return (step_.end - step_.begin) * elements_->element_bytes(); }
  void Windows(size_t offset, size_t max_bytes, std::vector<iovec>* out) override {
    // Pieces are whole elements except where a message is cut; cut off the excess at both ends.
    const size_t size = elements_->element_bytes();
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

 private:
  const Elements* elements_;
  const Step step_;
  const uint64_t priority_;
};

// Arriving elements are added to the rank's own.
class PlanRun::ReduceSink : public Sink {
 public:
  ReduceSink(const Elements* elements, const Step& step, uint64_t priority)
      : elements_(elements), step_(step), priority_(priority) {}
  uint64_t priority() const override { return priority_; }
  size_t bytes() const override { return (step_.end - step_.begin) * elements_->element_bytes(); }
  void Windows(size_t, size_t, std::vector<iovec>*) override {}
  void Consume(size_t offset, const uint8_t* data, size_t n) override {
    const size_t size = elements_->element_bytes();
    const int64_t begin = step_.begin + static_cast<int64_t>(offset / size);
    const int64_t end = begin + static_cast<int64_t>(n / size);
    elements_->ForEach(begin, end, [&](const Elements::Stretch& s) {
      const uint8_t* own = step_.buffer == Buffer::kInput ? s.in : s.out;
      Add(elements_->dtype(), s.out, own, data, s.count);
      data += s.count * size;
    });
  }

 private:
  const Elements* elements_;
  const Step step_;
  const uint64_t priority_;
};

struct PlanRun::LaneState {
  size_t lane = 0;
  size_t round = 0;
  int pending = 0;              // messages of the round that are not done, +1 while posting
  std::deque<Step> reductions;  // receives that must be applied in this order, the rest of them
  std::vector<int> awaited;     // peers of messages not done
  std::vector<std::unique_ptr<Sink>> sinks;
};

PlanRun::PlanRun(std::unique_ptr<Collective> collective, int max_lanes, Wires* wires)
    : collective_(std::move(collective)),
      elements_(collective_->dtype, collective_->segments,
                collective_->plan.needs_scratch ? collective_->plan.size : 0),
      max_lanes_(max_lanes),
      wires_(wires),
      sequence_(wires->started++) {}

PlanRun::~PlanRun() = default;

bool PlanRun::Advance() {
  queued_ = false;
  const auto& lanes = collective_->plan.lanes;
  bool again = true;
  while (again) {
    again = false;
    for (auto& state : active_) {
      // Rounds without messages end at once; a finished lane makes room for the next.
      while (state->pending == 0 && ++state->round < lanes[state->lane].rounds.size()) {
        StartRound(state.get());
      }
    }
    auto finished = std::remove_if(active_.begin(), active_.end(), [&](const auto& state) {
      return state->pending == 0 && state->round >= lanes[state->lane].rounds.size();
    });
    active_.erase(finished, active_.end());
    while (next_lane_ < lanes.size() && active_.size() < static_cast<size_t>(max_lanes_)) {
      auto state = std::make_unique<LaneState>();
      state->lane = next_lane_++;
      active_.push_back(std::move(state));
      LaneState* started = active_.back().get();
      if (!lanes[started->lane].rounds.empty()) StartRound(started);
      again = again || started->pending == 0;
    }
  }
  return active_.empty();
}

Tag PlanRun::TagOf(const LaneState& state) const {
  Tag tag = collective_->tag;
  tag.part = static_cast<uint64_t>(state.lane) << 16 | state.round;
  return tag;
}

void PlanRun::StartRound(LaneState* state) {
  const Round& round = collective_->plan.lanes[state->lane].rounds[state->round];
  state->sinks.clear();
  state->pending = 1;  // a message may be done while others are still being posted
  for (const Step& step : round.steps) {
    if (step.kind == StepKind::kReduceSlots || step.kind == StepKind::kScale ||
        step.kind == StepKind::kCopy) {
      RunLocalStep(step);
    } else if (step.kind == StepKind::kRecvReduce) {
      state->reductions.push_back(step);
    }
  }
  for (const Step& step : round.steps) {
    if (step.kind == StepKind::kSend) PostSend(state, step);
  }
  for (const Step& step : round.steps) {
    if (step.kind == StepKind::kRecv) PostReceive(state, step, false);
  }
  if (!state->reductions.empty()) {
    const Step first = state->reductions.front();
    state->reductions.pop_front();
    PostReceive(state, first, true);
  }
  --state->pending;
}

void PlanRun::PostSend(LaneState* state, const Step& step) {
  std::vector<iovec> pieces;
  elements_.AppendPieces(step.buffer, step.peer, step.begin, step.end, &pieces);
  ++state->pending;
  ++wires_->waiting[step.peer];
  state->awaited.push_back(step.peer);
  const int peer = step.peer;
  const int rail = collective_->plan.lanes[state->lane].rail;
  wires_->pairs[peer]->Send(TagOf(*state), rail, std::move(pieces),
                            [this, state, peer] { MessageDone(state, peer); });
}

void PlanRun::PostReceive(LaneState* state, const Step& step, bool chained) {
  // What was begun first is ended first, so that a lane is gathered while it is in the caches.
  const uint64_t priority = sequence_ << 20 | state->lane;
  if (step.kind == StepKind::kRecvReduce) {
    state->sinks.push_back(std::make_unique<ReduceSink>(&elements_, step, priority));
  } else {
    state->sinks.push_back(std::make_unique<CopySink>(&elements_, step, priority));
  }
  ++state->pending;
  ++wires_->waiting[step.peer];
  state->awaited.push_back(step.peer);
  const int peer = step.peer;
  wires_->pairs[peer]->Receive(TagOf(*state), state->sinks.back().get(),
                               [this, state, peer, chained] {
                                 if (chained && !state->reductions.empty()) {
                                   const Step next = state->reductions.front();
                                   state->reductions.pop_front();
                                   PostReceive(state, next, true);
                                 }
                                 MessageDone(state, peer);
                               });
}

void PlanRun::MessageDone(LaneState* state, int peer) {
  --wires_->waiting[peer];
  state->awaited.erase(std::find(state->awaited.begin(), state->awaited.end(), peer));
  if (--state->pending == 0 && !queued_) {
    queued_ = true;
    wires_->ready.push_back(this);
  }
}

void PlanRun::RunLocalStep(const Step& step) {
  const size_t size = elements_.element_bytes();
  const DType dtype = elements_.dtype();
  int64_t at = step.begin;
  elements_.ForEach(step.begin, step.end, [&](const Elements::Stretch& s) {
    if (step.kind == StepKind::kCopy) {
      if (s.in != s.out && s.in != nullptr) std::memcpy(s.out, s.in, s.count * size);
    } else if (step.kind == StepKind::kScale) {
      if (collective_->op == ReduceOp::kMean) {
        Divide(dtype, s.out, collective_->plan.size, s.count);
      }
    } else {
      std::vector<const void*> slots;
      for (int rank = 0; rank < collective_->plan.size; ++rank) {
        slots.push_back(rank == collective_->plan.rank ? static_cast<const void*>(s.in)
                                                       : elements_.slot(rank) + at * size);
      }
      SumSlots(dtype, s.out, slots.data(), static_cast<int>(slots.size()), s.count);
    }
    at += s.count;
  });
}

void PlanRun::AppendWaiting(std::vector<bool>* peers) const {
  for (const auto& state : active_) {
    for (int peer : state->awaited) (*peers)[peer] = true;
    for (const Step& step : state->reductions) (*peers)[step.peer] = true;
  }
}

}  // namespace tf_ddl
