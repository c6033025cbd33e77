#include "plan/device_schedule.h"

#include <algorithm>

#include "plan/arrangement.h"
#include "plan/lanes.h"

namespace tf_ddl {
namespace {

std::vector<int> AllRanks(const Topology& topology) {
  Colour colour;
  colour.algorithm = "ring";  // host after host
  return Positions(colour, topology);
}

// The steps of one chunk, by phase.
std::vector<DeviceStep> ChunkSteps(const std::vector<GridPlace>& places, int chunk, Range range) {
  const int last = static_cast<int>(places.size()) - 1;
  std::vector<DeviceStep> steps(2 * last + 1);
  for (int d = 0; d <= last; ++d) {
    DeviceStep step;
    step.dimension = d;
    step.chunk = chunk;
    step.range = range;
    step.own = range;
    step.from_input = d == 0;
    if (d < last) {
      const int64_t part = range.size() / static_cast<int64_t>(places[d].ranks.size());
      step.own.begin = range.begin + places[d].place * part;
      step.own.end = step.own.begin + part;
      step.kind = DeviceStepKind::kReduceScatter;
      steps[2 * last - d] = step;
      steps[2 * last - d].kind = DeviceStepKind::kAllGather;
      steps[2 * last - d].from_input = false;
      range = step.own;
    }
    steps[d] = step;
  }
  return steps;
}

}  // namespace

std::vector<GridPlace> GridPlaces(const DevicePlan& plan, const Topology& topology, int rank) {
  const std::vector<int> positions = AllRanks(topology);
  const int p =
      static_cast<int>(std::find(positions.begin(), positions.end(), rank) - positions.begin());
  std::vector<GridPlace> places;
  int stride = 1;
  for (const int length : plan.grid) {
    GridPlace place;
    place.place = p / stride % length;
    place.line = p - place.place * stride;
    for (int i = 0; i < length; ++i) {
      place.ranks.push_back(positions[place.line + i * stride]);
    }
    places.push_back(place);
    stride *= length;
  }
  return places;
}

int64_t ScheduleUnit(const DevicePlan& plan) {
  if (plan.grid.empty()) return 1;
  int64_t unit = kGrain;
  for (size_t d = 0; d + 1 < plan.grid.size(); ++d) unit *= plan.grid[d];
  return unit;
}

std::vector<DeviceStep> DeviceSchedule(const DevicePlan& plan, const Topology& topology, int rank,
                                       int64_t count, int64_t element_bytes) {
  std::vector<DeviceStep> schedule;
  const int64_t unit = ScheduleUnit(plan);
  const int64_t even = plan.grid.empty() ? 0 : count / unit * unit;
  int64_t chunk = even;
  if (plan.chunk_bytes > 0) {
    chunk = std::max(unit, plan.chunk_bytes / element_bytes / unit * unit);
  }
  std::vector<std::vector<DeviceStep>> chunks;  // by chunk and phase
  if (even > 0) {
    const std::vector<GridPlace> places = GridPlaces(plan, topology, rank);
    for (int64_t begin = 0; begin < even; begin += chunk) {
      chunks.push_back(ChunkSteps(places, static_cast<int>(chunks.size()),
                                  {begin, std::min(even, begin + chunk)}));
    }
    const size_t phases = chunks[0].size();
    for (size_t turn = 0; turn < chunks.size() + phases - 1; ++turn) {
      // The youngest first: its first phase and the oldest's last share a dimension's stream, and
      // the oldest still waits for the phase before.
      for (size_t phase = 0; phase < phases; ++phase) {
        if (turn < phase || turn - phase >= chunks.size()) continue;
        schedule.push_back(chunks[turn - phase][phase]);
      }
    }
  }
  if (even < count) {
    DeviceStep rest;
    rest.chunk = static_cast<int>(chunks.size());
    rest.range = rest.own = {even, count};
    rest.from_input = true;
    schedule.push_back(rest);
  }
  return schedule;
}

Plan EquivalentPlan(const DevicePlan& plan, const Topology& topology, int rank, int64_t count,
                    int64_t element_bytes) {
  const int size = topology.size();
  const std::vector<GridPlace> places = GridPlaces(plan, topology, rank);
  const std::vector<int> everybody = AllRanks(topology);
  Plan result;
  result.name = ToString(plan);
  result.rank = rank;
  result.size = size;
  result.count = count;
  for (const DeviceStep& step : DeviceSchedule(plan, topology, rank, count, element_bytes)) {
    if (static_cast<int>(result.lanes.size()) <= step.chunk) result.lanes.resize(step.chunk + 1);
    Lane* lane = &result.lanes[step.chunk];
    Line line;
    line.ranks = step.dimension < 0 ? everybody : places[step.dimension].ranks;
    line.at = static_cast<int>(std::find(line.ranks.begin(), line.ranks.end(), rank) -
                               line.ranks.begin());
    const Buffer from = step.from_input ? Buffer::kInput : Buffer::kOutput;
    switch (step.kind) {
      case DeviceStepKind::kReduceScatter:
        ReduceScatter(line, step.range, from, lane);
        break;
      case DeviceStepKind::kAllReduce:
        Finish(size, ReduceScatter(line, step.range, from, lane), lane);
        AllGather(line, step.range, lane);
        break;
      case DeviceStepKind::kAllGather:
        AllGather(line, step.range, lane);
        break;
    }
  }
  return result;
}

}  // namespace tf_ddl
