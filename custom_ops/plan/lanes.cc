#include "plan/lanes.h"

namespace tf_ddl {

void AddStep(Round* round, StepKind kind, int peer, const Range& range, Buffer buffer) {
  if (!range.empty()) round->steps.push_back({kind, peer, range.begin, range.end, buffer});
}

namespace {

Round& NewRound(Lane* lane, size_t steps) {
  lane->rounds.emplace_back();
  lane->rounds.back().steps.reserve(steps);
  return lane->rounds.back();
}

// Part `place` of the line, counted round and round.
Range PartAt(const Line& line, const Range& range, int place) {
  return Part(range, (place % line.size() + line.size()) % line.size(), line.size());
}

}  // namespace

Range ReduceScatter(const Line& line, const Range& range, Buffer from, Lane* lane) {
  const int n = line.size();
  const Range own = Part(range, line.at, n);
  if (n > 1 && line.exchange) {
    Round& round = NewRound(lane, 2 * (n - 1));
    // Peers in an order that starts behind the rank itself, so that not all turn to the first.
    for (int i = 1; i < n; ++i) {
      AddStep(&round, StepKind::kSend, line.Rank(line.at + i), PartAt(line, range, line.at + i),
              from);
    }
    Buffer addend = from;
    for (int i = 1; i < n; ++i) {
      AddStep(&round, StepKind::kRecvReduce, line.Rank(line.at + i), own, addend);
      addend = Buffer::kOutput;
    }
    return own;
  }
  // The sum of part i starts behind place i and ends there, having gone once round.
  for (int step = 0; step < n - 1; ++step) {
    Round& round = NewRound(lane, 2);
    AddStep(&round, StepKind::kSend, line.Rank(line.at + 1),
            PartAt(line, range, line.at - step - 1), step == 0 ? from : Buffer::kOutput);
    AddStep(&round, StepKind::kRecvReduce, line.Rank(line.at - 1),
            PartAt(line, range, line.at - step - 2), from);
  }
  return own;
}

void Finish(int size, const Range& own, Lane* lane) {
  AddStep(&NewRound(lane, 1), size > 1 ? StepKind::kScale : StepKind::kCopy, -1, own,
          Buffer::kOutput);
}

void AllGather(const Line& line, const Range& range, Lane* lane) {
  const int n = line.size();
  if (n > 1 && line.exchange) {
    Round& round = NewRound(lane, 2 * (n - 1));
    const Range own = Part(range, line.at, n);
    for (int i = 1; i < n; ++i) {
      const int peer = line.Rank(line.at + i);
      AddStep(&round, StepKind::kSend, peer, own, Buffer::kOutput);
      AddStep(&round, StepKind::kRecv, peer, PartAt(line, range, line.at + i), Buffer::kOutput);
    }
    return;
  }
  for (int step = 0; step < n - 1; ++step) {
    Round& round = NewRound(lane, 2);
    AddStep(&round, StepKind::kSend, line.Rank(line.at + 1), PartAt(line, range, line.at - step),
            Buffer::kOutput);
    AddStep(&round, StepKind::kRecv, line.Rank(line.at - 1),
            PartAt(line, range, line.at - step - 1), Buffer::kOutput);
  }
}

Lane ReductionLane(const std::vector<Line>& lines, int size, const Range& range) {
  Lane lane;
  size_t rounds = 1;
  for (const Line& line : lines) rounds += 2 * (line.exchange ? 1 : line.size() - 1);
  lane.rounds.reserve(rounds);
  std::vector<Range> ranges;  // what each line has to reduce
  ranges.reserve(lines.size());
  Range own = range;
  Buffer from = Buffer::kInput;
  for (const Line& line : lines) {
    ranges.push_back(own);
    own = ReduceScatter(line, own, from, &lane);
    if (line.size() > 1) from = Buffer::kOutput;
  }
  Finish(size, own, &lane);
  for (size_t i = lines.size(); i-- > 0;) AllGather(lines[i], ranges[i], &lane);
  return lane;
}

Lane DirectLane(int rank, int size, const Range& range) {
  Lane lane;
  if (size == 1) {
    Finish(size, range, &lane);
    return lane;
  }
  lane.rounds.resize(2);
  Round& exchange = lane.rounds[0];
  exchange.steps.reserve(2 * (size - 1));
  for (int i = 1; i < size; ++i) {
    const int peer = (rank + i) % size;
    // Empty ones too: a rank that comes with another size must be noticed, not waited for.
    exchange.steps.push_back({StepKind::kSend, peer, range.begin, range.end, Buffer::kInput});
    exchange.steps.push_back({StepKind::kRecv, peer, range.begin, range.end, Buffer::kScratch});
  }
  Round& sum = lane.rounds[1];
  sum.steps.reserve(2);
  AddStep(&sum, StepKind::kReduceSlots, -1, range, Buffer::kOutput);
  AddStep(&sum, StepKind::kScale, -1, range, Buffer::kOutput);
  return lane;
}

}  // namespace tf_ddl
