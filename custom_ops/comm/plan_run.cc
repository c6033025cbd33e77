#include "comm/plan_run.h"

#include <algorithm>
#include <cstring>

#include "base/reduce.h"
#include "comm/sinks.h"

namespace tf_ddl {
namespace {

// Up to this size a collective's tensors, and the rings that they are copied through, stay in
// caches. Reading them in place would cost more, for the pages that have to be pinned.
constexpr int64_t kCachedBytes = 1 << 20;

}  // namespace

struct PlanRun::LaneState {
  size_t lane = 0;
  size_t round = 0;
  int pending = 0;              // messages of the round that are not done, +1 while posting
  std::deque<Step> reductions;  // receives that must be applied in this order, the rest of them
  std::vector<int> awaited;     // peers of messages not done
  std::vector<std::unique_ptr<Sink>> sinks;
  std::vector<std::vector<uint16_t>> narrowed;  // what is being sent in a 16-bit form
};

PlanRun::PlanRun(std::unique_ptr<Collective> collective, int max_lanes, Wires* wires)
    : collective_(std::move(collective)),
      plan_(*collective_->plan),
      elements_(collective_->dtype, collective_->segments, plan_.needs_scratch ? plan_.size : 0),
      max_lanes_(max_lanes),
      wires_(wires),
      sequence_(wires->started++) {
  for (size_t lane = 0; lane < plan_.lanes.size(); ++lane) {
    const size_t colour = static_cast<size_t>(plan_.lanes[lane].colour);
    if (colour >= colours_.size()) colours_.resize(colour + 1);
    colours_[colour].lanes.push_back(lane);
  }
  // Where all ranks sum for themselves, what they sum must be the same on all.
  const bool can_narrow = collective_->dtype == DType::kFloat32 && !plan_.needs_scratch;
  in_caches_ = elements_.count() * static_cast<int64_t>(elements_.element_bytes()) <= kCachedBytes;
  format_ = can_narrow ? collective_->wire : WireFormat::kAsIs;
}

PlanRun::~PlanRun() = default;

bool PlanRun::Advance() {
  queued_ = false;
  const auto& lanes = plan_.lanes;
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
      const Lane& lane = lanes[state->lane];
      if (state->pending > 0 || state->round < lane.rounds.size()) return false;
      --colours_[lane.colour].active;
      return true;
    });
    active_.erase(finished, active_.end());
    for (ColourQueue& colour : colours_) {
      while (colour.next < colour.lanes.size() && colour.active < max_lanes_) {
        ++colour.active;
        active_.push_back(std::make_unique<LaneState>());
        LaneState* started = active_.back().get();
        started->lane = colour.lanes[colour.next++];
        if (!lanes[started->lane].rounds.empty()) StartRound(started);
        again = again || started->pending == 0;
      }
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
  const Round& round = plan_.lanes[state->lane].rounds[state->round];
  state->sinks.clear();
  state->narrowed.clear();
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
  if (const WireFormat format = FormatTo(step.peer); format != WireFormat::kAsIs) {
    state->narrowed.emplace_back(step.end - step.begin);
    uint16_t* to = state->narrowed.back().data();
    pieces.push_back({to, state->narrowed.back().size() * sizeof(uint16_t)});
    elements_.ForEach(step.begin, step.end, [&](const Elements::Stretch& s) {
      const uint8_t* from = step.buffer == Buffer::kInput ? s.in : s.out;
      Narrow(format, to, reinterpret_cast<const float*>(from), s.count);
      to += s.count;
    });
  } else {
    elements_.AppendPieces(step.buffer, step.peer, step.begin, step.end, &pieces);
  }
  ++state->pending;
  ++wires_->waiting[step.peer];
  state->awaited.push_back(step.peer);
  const int peer = step.peer;
  const int rail = plan_.lanes[state->lane].rail;
  RailMeter* meter = wires_->by_rail[peer] ? &wires_->rails[rail] : nullptr;
  int64_t bytes = 0;
  if (meter != nullptr) {
    for (const iovec& piece : pieces) bytes += static_cast<int64_t>(piece.iov_len);
    meter->Begin();
  }
  wires_->pairs[peer]->Send(
      TagOf(*state), rail, std::move(pieces),
      [this, state, peer, meter, bytes] {
        if (meter != nullptr) meter->End(bytes);
        MessageDone(state, peer);
      },
      in_caches_);
}

void PlanRun::PostReceive(LaneState* state, const Step& step, bool chained) {
  // What was begun first is ended first, so that a lane is gathered while it is in the caches.
  const uint64_t priority = sequence_ << 20 | state->lane;
  state->sinks.push_back(NewSink(&elements_, step, FormatTo(step.peer), priority));
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
      if (collective_->op == ReduceOp::kMean) Divide(dtype, s.out, plan_.size, s.count);
      // The sum is gathered in the narrow form; its owner must have what the others will have.
      if (format_ != WireFormat::kAsIs) {
        RoundTo(format_, reinterpret_cast<float*>(s.out), s.count);
      }
    } else {
      std::vector<const void*> slots;
      for (int rank = 0; rank < plan_.size; ++rank) {
        slots.push_back(rank == plan_.rank ? static_cast<const void*>(s.in)
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
