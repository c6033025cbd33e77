#include "plan/check.h"

#include <algorithm>
#include <deque>
#include <functional>

#include "plan/check_shape.h"
#include "plan/symbols.h"

namespace tf_ddl {
namespace {

// Runs plans as ranks would, every send waiting for its receiver. Which rank goes first makes no
// difference: what a rank waits for does not depend on it.
class Run {
 public:
  Run(const std::vector<Plan>& plans, bool in_place)
      : plans_(plans),
        size_(static_cast<int>(plans.size())),
        in_place_(in_place),
        symbols_(size_),
        ranks_(size_),
        sends_(static_cast<size_t>(size_) * size_),
        receives_(sends_.size()) {}

  void SetInput(int rank, const Range& range) { Input(rank).Assign(range, Symbols::Input(rank)); }
  Status Lanes(CheckReport* report) {
    for (size_t lane = 0; lane < plans_[0].lanes.size(); ++lane) {
      DDL_RETURN_IF_ERROR(RunLane(lane, report));
    }
    return OkStatus();
  }
  const SymbolicMemory& Output(int rank) const { return ranks_[rank].output; }
  const Symbols& symbols() const { return symbols_; }

 private:
  struct Rank {
    SymbolicMemory input, output;
    std::map<int, SymbolicMemory> scratch;
    size_t round = 0;
    int pending = 0;                     // messages of the round that are not done
    std::deque<const Step*> reductions;  // not yet begun
  };

  SymbolicMemory& Input(int rank) { return in_place_ ? ranks_[rank].output : ranks_[rank].input; }
  const Step*& SendOf(int from, int to) { return sends_[static_cast<size_t>(from) * size_ + to]; }
  const Step*& ReceiveOf(int from, int to) {
    return receives_[static_cast<size_t>(from) * size_ + to];
  }
  const std::vector<Round>& Rounds(int rank) const { return plans_[rank].lanes[lane_].rounds; }
  std::string Here(int rank) const { return PlaceName(rank, lane_, ranks_[rank].round); }

  Status RunLane(size_t lane, CheckReport* report) {
    lane_ = lane;
    report_ = report;
    for (int rank = 0; rank < size_; ++rank) {
      ranks_[rank].round = 0;
      DDL_RETURN_IF_ERROR(StartRounds(rank));
    }
    while (!idle_.empty()) {
      const int rank = idle_.front();
      idle_.pop_front();
      ++ranks_[rank].round;
      DDL_RETURN_IF_ERROR(StartRounds(rank));
    }
    for (int rank = 0; rank < size_; ++rank) {
      if (ranks_[rank].pending > 0) return WaitsForEver(rank);
      if (report != nullptr) {
        report->rounds = std::max(report->rounds, static_cast<int64_t>(Rounds(rank).size()));
      }
    }
    return OkStatus();
  }

  // From the current round up to the first that has to wait.
  Status StartRounds(int rank) {
    Rank& state = ranks_[rank];
    for (; state.round < Rounds(rank).size(); ++state.round) {
      const Round& round = Rounds(rank)[state.round];
      std::vector<const Step*> posts;
      for (const Step& step : round.steps) {
        if (step.kind == StepKind::kSend || step.kind == StepKind::kRecv) {
          posts.push_back(&step);
        } else if (step.kind == StepKind::kRecvReduce) {
          state.reductions.push_back(&step);
        } else {
          const Status status = Local(rank, step);
          if (!status.ok()) return status.Prefixed(Here(rank) + ": " + StepText(step));
        }
      }
      state.pending = static_cast<int>(posts.size() + state.reductions.size());
      if (state.pending == 0) continue;
      if (!state.reductions.empty()) {
        posts.push_back(state.reductions.front());
        state.reductions.pop_front();
      }
      for (const Step* step : posts) DDL_RETURN_IF_ERROR(Post(rank, step));
      return OkStatus();
    }
    return OkStatus();
  }

  Status Post(int rank, const Step* step) {
    const bool send = step->kind == StepKind::kSend;
    const int from = send ? rank : step->peer, to = send ? step->peer : rank;
    (send ? SendOf(from, to) : ReceiveOf(from, to)) = step;
    if (SendOf(from, to) == nullptr || ReceiveOf(from, to) == nullptr) return OkStatus();
    // A message for another round is not what the receiver waits for.
    if (ranks_[from].round != ranks_[to].round) return OkStatus();
    return Deliver(from, to);
  }

  Status Deliver(int from, int to) {
    const Step& send = *SendOf(from, to);
    const Step& receive = *ReceiveOf(from, to);
    SendOf(from, to) = ReceiveOf(from, to) = nullptr;
    if (send.begin != receive.begin || send.end != receive.end) {
      return Internal(Here(from) + ": " + StepText(send) + ", but there " + StepText(receive));
    }
    const Range range{send.begin, send.end};
    const SymbolicMemory& source =
        send.buffer == Buffer::kInput ? Input(from) : ranks_[from].output;
    for (const auto& [piece, value] : source.Read(range)) {
      const Status status = value == kNothing ? Internal("what is sent holds nothing")
                                              : Store(to, receive, piece, value);
      if (!status.ok()) return status.Prefixed(Here(to) + ": " + StepText(receive));
    }
    if (report_ != nullptr) {
      report_->elements[{from, to, plans_[from].lanes[lane_].rail}] += range.size();
      ++report_->messages;
    }
    for (int rank : {from, to}) {
      if (--ranks_[rank].pending == 0) idle_.push_back(rank);
    }
    if (receive.kind == StepKind::kRecvReduce && !ranks_[to].reductions.empty()) {
      const Step* next = ranks_[to].reductions.front();
      ranks_[to].reductions.pop_front();
      return Post(to, next);
    }
    return OkStatus();
  }

  Status Store(int rank, const Step& receive, const Range& range, Symbol value) {
    Rank& state = ranks_[rank];
    if (receive.kind == StepKind::kRecv) {
      const bool scratch = receive.buffer == Buffer::kScratch;
      (scratch ? state.scratch[receive.peer] : state.output).Assign(range, value);
      return OkStatus();
    }
    const SymbolicMemory& own = receive.buffer == Buffer::kInput ? Input(rank) : state.output;
    for (const auto& [piece, addend] : own.Read(range)) {
      Symbol sum = kNothing;
      DDL_RETURN_IF_ERROR(symbols_.Add(addend, value, &sum));
      state.output.Assign(piece, sum);
    }
    return OkStatus();
  }

  Status Local(int rank, const Step& step) {
    Rank& state = ranks_[rank];
    for (int64_t at = step.begin, until; at < step.end; at = until) {
      until = step.end;
      Symbol value = kNothing;
      if (step.kind == StepKind::kCopy) {
        value = Input(rank).At(at, &until);
        if (value == kNothing) return Internal("the input holds nothing");
      } else if (step.kind == StepKind::kScale) {
        DDL_RETURN_IF_ERROR(symbols_.Scale(state.output.At(at, &until), &value));
      } else {
        std::vector<Symbol> slots;
        for (int peer = 0; peer < size_; ++peer) {
          slots.push_back(peer == rank ? Input(rank).At(at, &until)
                                       : state.scratch[peer].At(at, &until));
        }
        DDL_RETURN_IF_ERROR(symbols_.AddInOrder(slots, &value));
      }
      state.output.Assign({at, until}, value);
    }
    return OkStatus();
  }

  Status WaitsForEver(int rank) {
    for (int peer = 0; peer < size_; ++peer) {
      for (const Step* step : {SendOf(rank, peer), ReceiveOf(peer, rank)}) {
        if (step == nullptr) continue;
        const bool ended = ranks_[peer].round >= Rounds(peer).size();
        return Internal(Here(rank) + ": " + StepText(*step) + " waits for ever; rank " +
                        std::to_string(peer) + " is " +
                        (ended ? "done" : "in round " + std::to_string(ranks_[peer].round)));
      }
    }
    return Internal(Here(rank) + " waits for ever");
  }

  const std::vector<Plan>& plans_;
  const int size_;
  const bool in_place_;
  Symbols symbols_;
  std::vector<Rank> ranks_;
  std::vector<const Step*> sends_, receives_;  // posted ones, by sender and receiver
  std::deque<int> idle_;                       // ranks whose round is done
  size_t lane_ = 0;
  CheckReport* report_ = nullptr;
};

using Inputs = std::function<Range(int rank)>;
// Judges what stands in a range on a rank.
using Judge = std::function<Status(const Symbols&, int rank, const Range&, Symbol)>;

Status Check(const std::vector<Plan>& plans, const Inputs& inputs, const Judge& judge,
             CheckReport* report) {
  DDL_RETURN_IF_ERROR(CheckShape(plans));
  if (report != nullptr) *report = CheckReport();
  for (bool in_place : {false, true}) {
    Run run(plans, in_place);
    const std::string mode = in_place ? plans[0].name + ", in place" : plans[0].name;
    for (size_t r = 0; r < plans.size(); ++r) {
      run.SetInput(static_cast<int>(r), inputs(static_cast<int>(r)));
    }
    DDL_RETURN_IF_ERROR(run.Lanes(in_place ? nullptr : report).Prefixed(mode));
    for (size_t r = 0; r < plans.size(); ++r) {
      const int rank = static_cast<int>(r);
      for (const auto& [range, value] : run.Output(rank).Read({0, plans[0].count})) {
        const Status status = judge(run.symbols(), rank, range, value);
        if (status.ok()) continue;
        return status.Prefixed(mode + ": rank " + std::to_string(rank) + " ends with " +
                               run.symbols().Describe(value) + " in elements [" +
                               std::to_string(range.begin) + ", " + std::to_string(range.end) +
                               ")");
      }
    }
  }
  return OkStatus();
}

std::vector<int64_t> ByHosts(const CheckReport& report, const Topology& topology, int rail,
                             bool sent) {
  const std::vector<int> host_of = topology.HostOf();
  std::vector<int64_t> elements(topology.hosts.size(), 0);
  for (const auto& [message, count] : report.elements) {
    const auto& [from, to, on] = message;
    if (on != rail || host_of[from] == host_of[to]) continue;
    elements[host_of[sent ? from : to]] += count;
  }
  return elements;
}

}  // namespace

std::vector<int64_t> CheckReport::SentByHosts(const Topology& topology, int rail) const {
  return ByHosts(*this, topology, rail, true);
}

std::vector<int64_t> CheckReport::ReceivedByHosts(const Topology& topology, int rail) const {
  return ByHosts(*this, topology, rail, false);
}

Status CheckAllReduce(const std::vector<Plan>& plans, CheckReport* report) {
  SymbolicMemory first;  // what rank 0 ends with
  const Judge judge = [&](const Symbols& symbols, int rank, const Range& range, Symbol value) {
    if (!symbols.Complete(value)) return Internal("not the sum over all ranks");
    if (symbols.Scaled(value) != (plans.size() > 1)) return Internal("not divided once");
    if (rank == 0) first.Assign(range, value);
    for (const auto& [piece, other] : first.Read(range)) {
      if (other != value) return Internal("added up in another order than on rank 0");
    }
    return OkStatus();
  };
  const Inputs all = [&](int) { return Range{0, plans[0].count}; };
  return Check(plans, all, judge, report);
}

Status CheckBroadcast(const std::vector<Plan>& plans, int root, CheckReport* report) {
  const Judge judge = [&](const Symbols&, int, const Range&, Symbol value) {
    return value == Symbols::Input(root) ? OkStatus() : Internal("not the root's input");
  };
  return Check(plans, [&](int) { return Range{0, plans[0].count}; }, judge, report);
}

Status CheckAllGather(const std::vector<Plan>& plans, const std::vector<int64_t>& counts,
                      CheckReport* report) {
  std::vector<Range> places;
  int64_t at = 0;
  for (int64_t count : counts) {
    places.push_back({at, at + count});
    at += count;
  }
  if (plans.size() != counts.size() || plans[0].count != at) {
    return Internal("plans and counts are of different collectives");
  }
  const Judge judge = [&](const Symbols&, int, const Range& range, Symbol value) {
    const bool input = value != kNothing && value <= Symbols::Input(places.size() - 1);
    const Range place = input ? places[value - 1] : Range();
    const bool there = place.begin <= range.begin && range.end <= place.end;
    return there ? OkStatus() : Internal("not what belongs there");
  };
  return Check(plans, [&](int rank) { return places[rank]; }, judge, report);
}

}  // namespace tf_ddl
