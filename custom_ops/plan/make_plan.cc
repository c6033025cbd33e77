#include <algorithm>
#include <cmath>

#include "plan/arrangement.h"
#include "plan/choose.h"

namespace tf_ddl {
namespace {

// "grid 2x4", "2 x ring", "ring + grid 4x2".
std::string PlanName(const PlanSpec& spec) {
  std::string name;
  for (size_t i = 0; i < spec.colours.size();) {
    const Colour& colour = spec.colours[i];
    size_t alike = 1;
    while (i + alike < spec.colours.size() &&
           spec.colours[i + alike].algorithm == colour.algorithm &&
           spec.colours[i + alike].grid == colour.grid) {
      ++alike;
    }
    if (i > 0) name += " + ";
    if (alike > 1) name += std::to_string(alike) + " x ";
    name += colour.algorithm;
    if (!colour.grid.empty()) name += " " + GridText(colour.grid);
    i += alike;
  }
  return name;
}

std::vector<Line> Lines(const Colour& colour, const Topology& topology, int rank) {
  const std::vector<int> positions = Positions(colour, topology);
  const int at =
      static_cast<int>(std::find(positions.begin(), positions.end(), rank) - positions.begin());
  std::vector<Line> lines;
  if (colour.algorithm != "grid") {
    lines.push_back({positions, at, colour.algorithm == "pairwise"});
    return lines;
  }
  const auto within = DimensionsWithinHosts(colour.grid, positions, topology.HostOf());
  for (int dimension : DimensionOrder(colour)) {
    int stride = 1;
    for (int d = 0; d < dimension; ++d) stride *= colour.grid[d];
    Line line;
    line.at = at / stride % colour.grid[dimension];
    line.exchange = within[dimension];
    for (int i = 0; i < colour.grid[dimension]; ++i) {
      line.ranks.push_back(positions[at + (i - line.at) * stride]);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

class ColourPlanner {
 public:
  ColourPlanner(const Colour& colour, const Topology& topology, int rank, int size)
      : rank_(rank), size_(size) {
    if (colour.algorithm == "direct") {
      kind_ = kDirect;
    } else if (colour.algorithm == "halving-doubling") {
      kind_ = kHalving;
      halving_ = FoldIn(Positions(colour, topology), topology.HostOf());
    } else if (colour.algorithm == "grid" && colour.grid.empty()) {
      kind_ = kByHost;
      hosts_ = OrderedHosts(colour, topology);
    } else {
      lines_ = Lines(colour, topology, rank);
    }
  }

  Lane MakeLane(const Range& range) const {
    switch (kind_) {
      case kDirect:
        return DirectLane(rank_, size_, range);
      case kHalving:
        return HalvingLane(halving_, rank_, range);
      case kByHost:
        return ByHostLane(hosts_, rank_, range);
      default:
        return ReductionLane(lines_, size_, range);
    }
  }

 private:
  enum { kDirect, kHalving, kByHost, kLines } kind_ = kLines;
  const int rank_;
  const int size_;
  Halving halving_;
  HostRanks hosts_;
  std::vector<Line> lines_;
};

}  // namespace

Plan MakePlan(const PlanSpec& spec, const Topology& topology, int rank, int64_t count,
              int64_t element_bytes) {
  Plan plan;
  plan.name = PlanName(spec);
  plan.rank = rank;
  plan.size = topology.size();
  plan.count = count;
  const int64_t lane_count = std::max<int64_t>(1, spec.chunk_bytes / element_bytes) * plan.size;
  double share = 0;
  int64_t begin = 0;
  for (size_t c = 0; c < spec.colours.size(); ++c) {
    const Colour& colour = spec.colours[c];
    share += colour.share;
    int64_t end = count;
    if (c + 1 < spec.colours.size()) {
      const int64_t grains = std::llround(share * static_cast<double>(count) / kGrain);
      end = std::min(count, std::max(begin, grains * kGrain));
    }
    const Range range{begin, end};
    begin = end;
    if (range.empty() && spec.colours.size() > 1) continue;
    const ColourPlanner planner(colour, topology, rank, plan.size);
    plan.needs_scratch = plan.needs_scratch || (colour.algorithm == "direct" && plan.size > 1);
    // Every rank adds up everything in a direct exchange, so there is nothing to take turns for.
    const int64_t lanes = colour.algorithm == "direct" ? 1 : LaneCount(range.size(), lane_count);
    plan.lanes.reserve(plan.lanes.size() + lanes);
    for (int64_t i = 0; i < lanes; ++i) {
      plan.lanes.push_back(planner.MakeLane(Part(range, i, lanes)));
      plan.lanes.back().colour = static_cast<int>(c);
      plan.lanes.back().rail = colour.rail;
    }
  }
  return plan;
}

}  // namespace tf_ddl
