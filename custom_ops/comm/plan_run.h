// One collective being run: walks through the lanes and rounds of its plan over the pairs.
//
// Up to `max_lanes` lanes of each colour are under way at a time. A lane's round is over when all
// its sends and receives are; finishing is only noted here (`ready`), and the communicator calls
// Advance from its own loop, so that callbacks never nest.
#ifndef TF_DDL_COMM_PLAN_RUN_H_
#define TF_DDL_COMM_PLAN_RUN_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "comm/communicator.h"
#include "comm/elements.h"
#include "comm/rail_meter.h"
#include "transport/pair.h"

namespace tf_ddl {

class PlanRun {
 public:
  // Where a run posts its messages. `waiting[r]` counts the messages awaited to or from rank r.
  struct Wires {
    std::vector<Pair*> pairs;  // by rank; null for this rank
    std::vector<int64_t> waiting;
    std::vector<bool> by_rail;  // by rank: messages travel over a rail
    std::vector<RailMeter> rails;
    std::vector<bool> narrow;    // by rank: float32 may travel there in a 16-bit form
    std::deque<PlanRun*> ready;  // runs with a finished round, to be advanced
    uint64_t started = 0;        // runs so far
  };

  PlanRun(std::unique_ptr<Collective> collective, int max_lanes, Wires* wires);
  ~PlanRun();

  // Starts what can be started. Returns true when the whole plan is done.
  bool Advance();

  // Collects the step's peers that this run waits for.
  void AppendWaiting(std::vector<bool>* peers) const;
  const Collective& collective() const { return *collective_; }
  std::function<void()> TakeDone() { return std::move(collective_->done); }

 private:
  struct LaneState;
  struct ColourQueue {
    std::vector<size_t> lanes;
    size_t next = 0;  // in `lanes`, to be started
    int active = 0;
  };

  WireFormat FormatTo(int peer) const { return wires_->narrow[peer] ? format_ : WireFormat::kAsIs; }
  void StartRound(LaneState* state);
  void RunLocalStep(const Step& step);
  void PostSend(LaneState* state, const Step& step);
  void PostReceive(LaneState* state, const Step& step, bool chained);
  void MessageDone(LaneState* state, int peer);
  Tag TagOf(const LaneState& state) const;

  std::unique_ptr<Collective> collective_;
  const Plan& plan_;
  Elements elements_;
  const int max_lanes_;
  Wires* const wires_;
  const uint64_t sequence_;  // the how-many'th run this is
  bool queued_ = false;      // already in wires_->ready
  bool in_caches_ = false;
  WireFormat format_ = WireFormat::kAsIs;
  std::vector<ColourQueue> colours_;
  std::vector<std::unique_ptr<LaneState>> active_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_PLAN_RUN_H_
