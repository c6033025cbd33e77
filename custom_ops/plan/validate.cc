#include <algorithm>
#include <cmath>

#include "plan/choose.h"

namespace tf_ddl {
namespace {

// Whether `numbers` are 0, 1, 2, ... in some order.
bool IsPermutation(std::vector<int> numbers, size_t size) {
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != static_cast<int>(i)) return false;
  }
  return numbers.size() == size;
}

Status ValidateColour(const Colour& colour, const Topology& topology) {
  if (!IsAlgorithm(colour.algorithm)) {
    return InvalidArgument("\"" + colour.algorithm + "\" is not an algorithm");
  }
  if (colour.rail < 0 || colour.rail >= static_cast<int>(topology.rails.size())) {
    return InvalidArgument("rail " + std::to_string(colour.rail) + " of " +
                           std::to_string(topology.rails.size()));
  }
  if (!colour.grid.empty()) {
    std::vector<int> grid;
    DDL_RETURN_IF_ERROR(ParseGrid(GridText(colour.grid), topology.size(), &grid));
  }
  if (!colour.order.empty() && !IsPermutation(colour.order, colour.grid.size())) {
    return InvalidArgument("the order of dimensions does not name each of them once");
  }
  if (!colour.hosts.empty() && !IsPermutation(colour.hosts, topology.hosts.size())) {
    return InvalidArgument("the order of hosts does not name each of the " +
                           std::to_string(topology.hosts.size()) + " hosts once");
  }
  return OkStatus();
}

}  // namespace

bool IsAlgorithm(const std::string& name) {
  return name == "direct" || name == "pairwise" || name == "halving-doubling" || name == "ring" ||
         name == "grid";
}

Status Validate(const PlanSpec& spec, const Topology& topology) {
  double shares = 0;
  for (const Colour& colour : spec.colours) {
    DDL_RETURN_IF_ERROR(ValidateColour(colour, topology).Prefixed(ToString(spec)));
    shares += colour.share;
  }
  if (spec.colours.empty() || std::abs(shares - 1) > 1e-6) {
    return InvalidArgument(ToString(spec) + ": the shares do not add up to 1");
  }
  if (spec.chunk_bytes < 1) return InvalidArgument(ToString(spec) + ": chunks without bytes");
  return OkStatus();
}

Status Validate(const PlanTable& table, const Topology& topology) {
  if (table.entries.empty()) return InvalidArgument("a plan table without entries");
  for (const auto& entry : table.entries) DDL_RETURN_IF_ERROR(Validate(entry.spec, topology));
  return OkStatus();
}

}  // namespace tf_ddl
