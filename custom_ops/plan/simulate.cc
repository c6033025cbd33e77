#include "plan/simulate.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <string>
#include <utility>

#include "plan/simulated_messages.h"
#include "plan/simulated_ranks.h"
#include "plan/simulated_run.h"
#include "plan/symmetry.h"
#include "plan/time_shares.h"

namespace tf_ddl {
namespace {

// Plans of the first host's ranks, by collective; empty if it cannot stand for all hosts.
std::vector<std::vector<Plan>> Fold(const Topology& topology,
                                    const std::vector<SimulatedCollective>& collectives) {
  std::vector<std::vector<Plan>> plans;
  for (const SimulatedCollective& collective : collectives) {
    plans.push_back(OneHostForAll(topology, collective.plan));
    if (plans.back().empty()) return {};
  }
  return plans;
}

class Simulator {
 public:
  Simulator(const Topology& topology, const LinkModel& links,
            const std::vector<SimulatedCollective>& collectives, const SimulationOptions& options)
      : links_(links), collectives_(collectives), options_(options) {
    if (options.fold && topology.hosts.size() > 1 && links.exceptions.empty()) {
      folded_ = Fold(topology, collectives);
    }
    ranks_ = SimulatedRanks(topology, static_cast<int>(links.rails.size()), !folded_.empty(),
                            options.shared_engine);
    shares_ = TimeShares(ranks_.servers());
    free_.assign(ranks_.size(), 0);
    overhead_ = options.local_overhead * links.local.alpha;
    for (const LinkCost& rail : links.rails) {
      if (topology.OnOneHost()) break;
      overhead_ = std::max(overhead_, options.rail_overhead * rail.alpha);
    }
  }

  Status Execute(Simulation* simulation);

 private:
  void At(double time, SimulatedEvent::Kind kind, int what) {
    events_.push({time, order_++, kind, what});
  }
  void Begin(const TimeShares::Work& work, SimulatedJob job) {
    const size_t number = shares_.Begin(now_, work);
    if (number >= jobs_.size()) jobs_.resize(number + 1, job);
    jobs_[number] = job;
  }
  // What was begun first is ended first.
  int64_t Priority(int collective, int lane) const {
    return static_cast<int64_t>(collective) << 32 | lane;
  }
  int64_t Bytes(const Step& step, int collective) const {
    return (step.end - step.begin) * collectives_[collective].element_bytes;
  }

  void NextEvent();
  void StartCollective(int collective);
  void StartLanes(int run, SimulatedRun::Colour* colour);
  void StartRound(int lane);
  void PostMessages(int lane);
  void Post(int lane, const Step& step);
  void MayFlow(int message);
  void JobDone(const SimulatedJob& job);
  void ReceiveDone(int message);
  void Done(int lane);
  void RoundOver(int lane);

  std::string Name(int lane) const;
  void Fail(int lane, const std::string& what);
  Status CheckEnded() const;

  const LinkModel& links_;
  const std::vector<SimulatedCollective>& collectives_;
  const SimulationOptions options_;
  std::vector<std::vector<Plan>> folded_;
  SimulatedRanks ranks_;
  TimeShares shares_{0};
  std::vector<double> free_;  // by rank: when it can send its next message
  double overhead_ = 0;       // how long a message keeps it from that

  std::vector<SimulatedRun> runs_;
  std::vector<SimulatedLane> lanes_;
  std::vector<int> unused_lanes_;
  std::vector<int> over_;  // lanes whose round is over
  SimulatedMessages messages_;
  std::vector<SimulatedJob> jobs_;
  std::priority_queue<SimulatedEvent, std::vector<SimulatedEvent>, std::greater<SimulatedEvent>>
      events_;
  int64_t order_ = 0;
  int64_t count_ = 0;
  double now_ = 0;
  std::vector<double> ends_;
  Status status_;
};

Status Simulator::Execute(Simulation* simulation) {
  ends_.assign(collectives_.size(), 0);
  for (size_t c = 0; c < collectives_.size(); ++c) {
    At(collectives_[c].start, SimulatedEvent::kStart, static_cast<int>(c));
  }
  while (status_.ok() && (!events_.empty() || !shares_.empty())) {
    NextEvent();
    while (status_.ok() && !over_.empty()) {
      const int lane = over_.back();
      over_.pop_back();
      RoundOver(lane);
    }
  }
  DDL_RETURN_IF_ERROR(status_);
  DDL_RETURN_IF_ERROR(CheckEnded());
  simulation->ends = ends_;
  simulation->seconds = ends_.empty() ? 0 : *std::max_element(ends_.begin(), ends_.end());
  simulation->messages = count_;
  simulation->folded = !folded_.empty();
  return OkStatus();
}

void Simulator::NextEvent() {
  // At equal times jobs end first, so that what they used is free.
  if (!shares_.empty() && (events_.empty() || shares_.NextEnd() <= events_.top().time)) {
    now_ = shares_.NextEnd();
    const SimulatedJob job = jobs_[shares_.TakeNext()];
    return JobDone(job);
  }
  const SimulatedEvent event = events_.top();
  events_.pop();
  now_ = event.time;
  if (event.kind == SimulatedEvent::kStart) return StartCollective(event.what);
  messages_.at(event.what).latency_over = true;
  MayFlow(event.what);
}

void Simulator::StartCollective(int collective) {
  ends_[collective] = now_;
  const size_t first_run = runs_.size();
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    SimulatedRun run;
    run.collective = collective;
    run.rank = rank;
    run.plan = folded_.empty() ? collectives_[collective].plan(ranks_.Rank(rank))
                               : std::move(folded_[collective][rank]);
    for (size_t lane = 0; lane < run.plan.lanes.size(); ++lane) {
      run.colours[run.plan.lanes[lane].colour].lanes.push_back(static_cast<int>(lane));
    }
    run.unfinished = run.plan.lanes.size();
    runs_.push_back(std::move(run));
  }
  for (size_t run = first_run; run < runs_.size(); ++run) {
    for (auto& colour : runs_[run].colours) StartLanes(static_cast<int>(run), &colour.second);
  }
}

void Simulator::StartLanes(int run, SimulatedRun::Colour* colour) {
  while (colour->next < colour->lanes.size() && colour->active < options_.max_lanes) {
    if (unused_lanes_.empty()) {
      unused_lanes_.push_back(static_cast<int>(lanes_.size()));
      lanes_.emplace_back();
    }
    const int number = unused_lanes_.back();
    unused_lanes_.pop_back();
    lanes_[number] = SimulatedLane();
    lanes_[number].run = run;
    lanes_[number].lane = colour->lanes[colour->next++];
    ++colour->active;
    StartRound(number);
  }
}

void Simulator::StartRound(int number) {
  SimulatedLane& lane = lanes_[number];
  const SimulatedRun& run = runs_[lane.run];
  const auto& rounds = run.plan.lanes[lane.lane].rounds;
  lane.pending = 1;
  if (rounds.empty()) return Done(number);
  double seconds = 0;
  for (const Step& step : rounds[lane.round].steps) {
    const double one = static_cast<double>(Bytes(step, run.collective)) * links_.gamma;
    if (step.kind == StepKind::kReduceSlots) seconds += (run.plan.size - 1) * one;
    if (step.kind == StepKind::kScale && options_.mean) seconds += one;
  }
  if (seconds > 0) {
    const int engine = ranks_.Adding(run.rank);
    Begin({seconds, engine, Priority(run.collective, lane.lane), engine},
          {SimulatedJob::kLocalSteps, number});
  } else {
    PostMessages(number);
  }
}

void Simulator::PostMessages(int number) {
  SimulatedLane& lane = lanes_[number];
  const Round& round = runs_[lane.run].plan.lanes[lane.lane].rounds[lane.round];
  for (const Step& step : round.steps) {
    if (step.kind == StepKind::kSend || step.kind == StepKind::kRecv) Post(number, step);
    if (step.kind == StepKind::kRecvReduce) lane.reductions.push_back(step);
  }
  if (!lane.reductions.empty()) {
    const Step first = lane.reductions.front();
    lane.reductions.pop_front();
    Post(number, first);
  }
  Done(number);
}

// The sender's, or the receiver's, half of a message.
void Simulator::Post(int number, const Step& step) {
  SimulatedLane& lane = lanes_[number];
  const SimulatedRun& run = runs_[lane.run];
  const bool sends = step.kind == StepKind::kSend;
  const int rank = run.plan.rank;
  if (!ranks_.Exists(step.peer) || step.peer == rank) {
    return Fail(number,
                "has a message with rank " + std::to_string(step.peer) + ", which is no peer");
  }
  const int source = sends ? rank : step.peer;
  const int target = sends ? step.peer : rank;
  const bool remote = ranks_.HostOf(source) != ranks_.HostOf(target);
  const int rail = run.plan.lanes[lane.lane].rail;
  if (remote && (rail < 0 || rail >= static_cast<int>(links_.rails.size()))) {
    return Fail(number, "sends on rail " + std::to_string(rail) + ", but costs are known of " +
                            std::to_string(links_.rails.size()) + " rails");
  }
  const MessageKey key{
      run.collective,           lane.lane, static_cast<int>(lane.round), ranks_.Simulated(source),
      ranks_.Simulated(target), remote};
  bool added = false;
  const int index = messages_.FindOrAdd(key, &added);
  SimulatedMessage& message = messages_.at(index);
  if (added) {
    ++count_;
    const int from = ranks_.HostOf(source), to = ranks_.HostOf(target);
    message.cost = remote ? links_.Between(rail, from, to) : links_.local;
    message.out = remote ? ranks_.Out(from, rail) : -1;
    message.in = remote ? ranks_.In(to, rail) : ranks_.Copying(key.to);
  }
  const int64_t bytes = Bytes(step, run.collective);
  if ((sends ? message.sender : message.receiver) >= 0) {
    return Fail(number,
                "has two messages with rank " + std::to_string(step.peer) + " in one round");
  }
  if (folded_.empty() && !added && message.bytes != bytes) {
    return Fail(number, "and rank " + std::to_string(step.peer) +
                            " disagree on the size of a message: " + std::to_string(bytes) +
                            " and " + std::to_string(message.bytes) + " bytes");
  }
  message.bytes = std::max(message.bytes, bytes);
  ++lane.pending;
  if (sends) {
    message.sender = number;
    message.target = target;
    double& free = free_[run.rank];
    const double begin = std::max(now_, free);
    free = begin + overhead_;
    At(begin + message.cost.alpha, SimulatedEvent::kLatencyOver, index);
  } else {
    message.receiver = number;
    message.reduce = step.kind == StepKind::kRecvReduce;
    MayFlow(index);
  }
}

void Simulator::MayFlow(int number) {
  const SimulatedMessage& message = messages_.at(number);
  if (!message.latency_over || message.receiver < 0) return;
  const double seconds = static_cast<double>(message.bytes) * message.cost.beta;
  const MessageKey& key = message.key;
  if (key.remote) {
    const int queue = ranks_.servers() + messages_.Connection(number);
    Begin({seconds, queue, 0, message.out, message.in}, {SimulatedJob::kBytes, number});
  } else {
    Begin({seconds, message.in, Priority(key.collective, key.lane), message.in},
          {SimulatedJob::kBytes, number});
  }
}

void Simulator::JobDone(const SimulatedJob& job) {
  if (job.kind == SimulatedJob::kLocalSteps) return PostMessages(job.what);
  if (job.kind == SimulatedJob::kAddition) return ReceiveDone(job.what);
  const SimulatedMessage& message = messages_.at(job.what);
  const double seconds = static_cast<double>(message.bytes) * links_.gamma;
  Done(message.sender);
  if (message.reduce && seconds > 0) {
    const int engine = ranks_.Adding(message.key.to);
    const int64_t priority = Priority(message.key.collective, message.key.lane);
    Begin({seconds, engine, priority, engine}, {SimulatedJob::kAddition, job.what});
  } else {
    ReceiveDone(job.what);
  }
}

void Simulator::ReceiveDone(int number) {
  const int receiver = messages_.at(number).receiver;
  const bool reduce = messages_.at(number).reduce;
  messages_.Remove(number);
  SimulatedLane& lane = lanes_[receiver];
  if (reduce && !lane.reductions.empty()) {
    const Step next = lane.reductions.front();
    lane.reductions.pop_front();
    Post(receiver, next);
  }
  Done(receiver);
}

void Simulator::Done(int lane) {
  if (--lanes_[lane].pending == 0) over_.push_back(lane);
}

// Goes on to the lane's next round, or to the next lane.
void Simulator::RoundOver(int number) {
  SimulatedLane& lane = lanes_[number];
  const int run_number = lane.run;
  SimulatedRun& run = runs_[run_number];
  const Lane& plan = run.plan.lanes[lane.lane];
  if (++lane.round < plan.rounds.size()) return StartRound(number);
  SimulatedRun::Colour* colour = &run.colours[plan.colour];
  --colour->active;
  unused_lanes_.push_back(number);
  if (--run.unfinished > 0) return StartLanes(run_number, colour);
  ends_[run.collective] = std::max(ends_[run.collective], now_);
  run.plan.lanes = {};  // large
  run.colours.clear();
}

std::string Simulator::Name(int number) const {
  const SimulatedLane& lane = lanes_[number];
  const SimulatedRun& run = runs_[lane.run];
  return "collective " + std::to_string(run.collective) + ", lane " + std::to_string(lane.lane) +
         ", round " + std::to_string(lane.round) + ": rank " + std::to_string(run.plan.rank);
}

void Simulator::Fail(int lane, const std::string& what) {
  if (status_.ok()) status_ = InvalidArgument(Name(lane) + " " + what);
}

// Nothing happens any more: all is done, or somebody waits for ever.
Status Simulator::CheckEnded() const {
  constexpr int kNamed = 8;
  std::string text;
  int named = 0;
  for (int number : messages_.All()) {
    const SimulatedMessage& message = messages_.at(number);
    const bool receives = message.receiver >= 0;
    if (!text.empty()) text += "; ";
    if (++named > kNamed) {
      text += "and so on";
      break;
    }
    text += "collective " + std::to_string(message.key.collective) + ", lane " +
            std::to_string(message.key.lane) + ", round " + std::to_string(message.key.round) +
            ": rank " + std::to_string(ranks_.Rank(receives ? message.key.to : message.key.from)) +
            (receives ? " waits for rank " : " sends to rank ") +
            std::to_string(ranks_.Rank(receives ? message.key.from : message.key.to));
  }
  if (named == 0) return OkStatus();
  return InvalidArgument("the plans never end: " + text);
}

}  // namespace

Status Simulate(const Topology& topology, const LinkModel& links,
                const std::vector<SimulatedCollective>& collectives,
                const SimulationOptions& options, Simulation* simulation) {
  if (topology.size() == 0) return InvalidArgument("a topology without ranks cannot be simulated");
  if (options.max_lanes < 1) {
    return InvalidArgument("max_lanes is " + std::to_string(options.max_lanes) +
                           ", it must be at least 1");
  }
  for (const SimulatedCollective& c : collectives) {
    if (!std::isfinite(c.start) || c.start < 0 || c.element_bytes < 1) {
      return InvalidArgument("a collective starts at " + std::to_string(c.start) +
                             " s with elements of " + std::to_string(c.element_bytes) + " bytes");
    }
  }
  const Status status = Simulator(topology, links, collectives, options).Execute(simulation);
  if (status.ok() || !options.fold) return status;
  SimulationOptions every = options;  // ranks have their own names in messages
  every.fold = false;
  return Simulator(topology, links, collectives, every).Execute(simulation);
}

}  // namespace tf_ddl
