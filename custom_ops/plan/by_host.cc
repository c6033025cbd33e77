// All-reduce over hosts with unequal numbers of ranks, with as few bytes between hosts as with
// equal ones: 2(H-1)/H times the bucket in and out of each of H hosts.
//
// Each host reduces within itself to as many parts as it has ranks. The boundaries of all hosts'
// parts together cut the bucket into segments, each of which has exactly one owner per host; along
// these owners a ring over the hosts reduces and gathers each segment. Then each host gathers.
//
//   host of 3   |   A0   |   A1   |   A2   |
//   host of 2   |     B0    |     B1       |
//   segments    |   0    | 1|  2  |   3    |     rings A0-B0, A1-B0, A1-B1, A2-B1
//
// With three hosts or more, two segments can have the same owners on two hosts that follow each
// other. One round carries at most one message from one rank to another, so segments are put into
// classes without such pairs, and the classes take turns.
#include <algorithm>
#include <map>

#include "plan/lanes.h"

namespace tf_ddl {
namespace {

struct Segment {
  Range range;
  int turn = 0;              // class
  std::map<int, int> owner;  // by number of ranks of a host: index of the owner
};

template <typename T>
void SortUnique(std::vector<T>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

std::vector<Segment> Segments(const HostRanks& hosts, const Range& range) {
  std::vector<int> sizes;
  for (const auto& ranks : hosts) sizes.push_back(static_cast<int>(ranks.size()));
  std::vector<std::pair<int, int>> neighbours;
  for (size_t h = 0; h < sizes.size(); ++h) {
    neighbours.push_back({sizes[h], sizes[(h + 1) % sizes.size()]});
  }
  SortUnique(&neighbours);
  SortUnique(&sizes);

  std::vector<int64_t> boundaries = {range.begin};
  for (int size : sizes) {
    for (int i = 0; i < size; ++i) boundaries.push_back(Part(range, i, size).end);
  }
  SortUnique(&boundaries);

  std::vector<Segment> segments;
  for (size_t i = 0; i + 1 < boundaries.size(); ++i) {
    Segment segment;
    segment.range = {boundaries[i], boundaries[i + 1]};
    for (int size : sizes) {
      int& owner = segment.owner[size];
      while (Part(range, owner, size).end <= segment.range.begin) ++owner;
    }
    const auto clashes = [&](const Segment& other) {
      if (other.turn != segment.turn) return false;
      return std::any_of(neighbours.begin(), neighbours.end(), [&](const auto& pair) {
        return other.owner.at(pair.first) == segment.owner.at(pair.first) &&
               other.owner.at(pair.second) == segment.owner.at(pair.second);
      });
    };
    while (std::any_of(segments.begin(), segments.end(), clashes)) ++segment.turn;
    segments.push_back(std::move(segment));
  }
  return segments;
}

int Turns(const std::vector<Segment>& segments) {
  int turns = 1;
  for (const Segment& segment : segments) turns = std::max(turns, segment.turn + 1);
  return turns;
}

}  // namespace

int ByHostTurns(const HostRanks& hosts) { return Turns(Segments(hosts, {0, int64_t{1} << 24})); }

Lane ByHostLane(const HostRanks& hosts, int rank, const Range& range) {
  const int host_count = static_cast<int>(hosts.size());
  int size = 0, host = 0;
  bool several = false;
  Line local;
  local.exchange = true;
  for (int h = 0; h < host_count; ++h) {
    size += static_cast<int>(hosts[h].size());
    several = several || hosts[h].size() > 1;
    const auto place = std::find(hosts[h].begin(), hosts[h].end(), rank);
    if (place == hosts[h].end()) continue;
    host = h;
    local.ranks = hosts[h];
    local.at = static_cast<int>(place - hosts[h].begin());
  }

  Lane lane;
  ReduceScatter(local, range, Buffer::kInput, &lane);
  lane.rounds.resize(several ? 1 : 0);  // a host of one rank waits for those of more
  const Buffer from = local.size() > 1 ? Buffer::kOutput : Buffer::kInput;

  const std::vector<Segment> segments = Segments(hosts, range);
  const int turns = Turns(segments);
  const size_t scatter = lane.rounds.size();
  const size_t ring_rounds = static_cast<size_t>(host_count - 1) * turns;
  const size_t gather = scatter + ring_rounds + 1;
  lane.rounds.resize(gather + ring_rounds);
  const auto& next = hosts[(host + 1) % host_count];
  const auto& previous = hosts[(host + host_count - 1) % host_count];
  for (const Segment& segment : segments) {
    if (segment.owner.at(local.size()) != local.at) continue;
    const int to = next[segment.owner.at(static_cast<int>(next.size()))];
    const int source = previous[segment.owner.at(static_cast<int>(previous.size()))];
    const auto part = [&](int i) {
      return Part(segment.range, (i % host_count + host_count) % host_count, host_count);
    };
    AddStep(&lane.rounds[gather - 1], size > 1 ? StepKind::kScale : StepKind::kCopy, -1, part(host),
            Buffer::kOutput);
    for (int step = 0; step < host_count - 1; ++step) {
      Round& reduce = lane.rounds[scatter + step * turns + segment.turn];
      AddStep(&reduce, StepKind::kSend, to, part(host - step - 1),
              step == 0 ? from : Buffer::kOutput);
      AddStep(&reduce, StepKind::kRecvReduce, source, part(host - step - 2), from);
      Round& spread = lane.rounds[gather + step * turns + segment.turn];
      AddStep(&spread, StepKind::kSend, to, part(host - step), Buffer::kOutput);
      AddStep(&spread, StepKind::kRecv, source, part(host - step - 1), Buffer::kOutput);
    }
  }
  AllGather(local, range, &lane);
  if (several && local.size() == 1) lane.rounds.emplace_back();
  return lane;
}

}  // namespace tf_ddl
