#include "plan/options.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tf_ddl {
namespace {

// A path this much slower than its rail is worth a detour.
constexpr double kSlow = 1.2;
// Orders of hosts that are tried at most; enough for every order of two exchanged hosts of 64.
constexpr int kMostOrders = 4096;
// Dimensions over the hosts: what more of them save is a few alphas.
constexpr int kMostHostDimensions = 3;
constexpr double kShareSteps = 1000;

double RingCost(const LinkModel& links, int rail, const std::vector<int>& order) {
  double cost = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const double beta = links.Between(rail, order[i], order[(i + 1) % order.size()]).beta;
    // The slowest path counts, so a path twice as slow is worse than two as fast.
    cost += std::pow(beta / links.rails[rail].beta, 4);
  }
  return cost;
}

// Seconds by byte of the links between hosts alone.
double LinksBusy(const ColourCost& cost) {
  ColourCost links = cost;
  links.rank_busy = 0;
  return links.Busiest();
}

class Maker {
 public:
  Maker(const CostModel& model, std::vector<Option>* options)
      : model_(model), options_(options), topology_(model.topology()) {
    const int hosts = static_cast<int>(topology_.hosts.size());
    for (int rail = 0; rail < Rails() && hosts > 2; ++rail) {
      orders_.push_back(RingOrder(model.links(), rail, hosts));
    }
  }

  int Rails() const { return topology_.OnOneHost() ? 1 : static_cast<int>(topology_.rails.size()); }

  // The arrangement on the best rail, on the best two, and so on; only those that use from
  // `fewest` to `most` rails. `visits`: whether it is a ring over the hosts.
  void Add(const std::string& algorithm, const std::vector<int>& grid, bool visits, int fewest,
           int most) {
    std::vector<Option> rails;
    for (int rail = 0; rail < Rails(); ++rail) {
      Colour colour;
      colour.algorithm = algorithm;
      colour.grid = grid;
      colour.rail = rail;
      if (visits && !orders_.empty()) colour.hosts = orders_[rail];
      Option option;
      option.costs = {model_.Of(colour)};
      option.spec.colours = {colour};
      rails.push_back(std::move(option));
    }
    std::stable_sort(rails.begin(), rails.end(), [](const Option& a, const Option& b) {
      return LinksBusy(a.costs[0]) < LinksBusy(b.costs[0]);
    });
    for (int used = fewest; used <= std::min(most, Rails()); ++used) {
      double rates = 0;
      for (int i = 0; i < used && used > 1; ++i) rates += 1 / LinksBusy(rails[i].costs[0]);
      if (!std::isfinite(rates)) break;
      Option option;
      double left = 1;
      for (int i = 0; i < used; ++i) {
        Colour colour = rails[i].spec.colours[0];
        if (i + 1 < used) {
          const double share = 1 / LinksBusy(rails[i].costs[0]) / rates;
          colour.share = std::round(share * kShareSteps) / kShareSteps;
          left -= colour.share;
        } else {
          colour.share = std::round(left * kShareSteps) / kShareSteps;
        }
        option.spec.colours.push_back(colour);
        option.costs.push_back(rails[i].costs[0]);
      }
      if (option.spec.colours.back().share > 0) options_->push_back(std::move(option));
    }
  }

  void AddGrids() {
    const int hosts = static_cast<int>(topology_.hosts.size());
    const int ranks = static_cast<int>(topology_.hosts[0].ranks.size());
    const auto longer = [](int length) { return length > 1; };
    if (std::count_if(topology_.grid.begin(), topology_.grid.end(), longer) > 1) {
      Add("grid", topology_.grid, false, 1, Rails());
    }
    if (hosts == 1 || !topology_.uniform()) {
      Add("grid", {}, true, 1, Rails());
      return;
    }
    auto grids = Factorisations(hosts, kMostHostDimensions);
    std::stable_sort(grids.begin(), grids.end(),
                     [](const auto& a, const auto& b) { return a.size() < b.size(); });
    for (std::vector<int>& grid : grids) {
      const bool visits = grid.size() == 1;
      if (ranks > 1) grid.insert(grid.begin(), ranks);
      // A single dimension is the ring.
      if (grid.size() > 1 && grid != topology_.grid) Add("grid", grid, visits, 1, Rails());
    }
  }

 private:
  const CostModel& model_;
  std::vector<Option>* const options_;
  const Topology& topology_;
  std::vector<std::vector<int>> orders_;  // by rail
};

}  // namespace

std::vector<int> RingOrder(const LinkModel& links, int rail, int hosts) {
  std::vector<int> order(hosts);
  std::iota(order.begin(), order.end(), 0);
  if (links.exceptions.empty()) return {};
  const double untouched = RingCost(links, rail, order);
  double cost = untouched;
  int tried = 0;
  for (bool better = true; better && tried < kMostOrders;) {
    better = false;
    for (int i = 0; i < hosts; ++i) {
      const int behind = (i + 1) % hosts;
      const double beta = links.Between(rail, order[i], order[behind]).beta;
      if (beta <= kSlow * links.rails[rail].beta) continue;
      // The host behind the slow path changes places with the one with which it is best.
      int best = behind;
      for (int j = 0; j < hosts && tried < kMostOrders; ++j) {
        if (j == behind) continue;
        ++tried;
        std::swap(order[behind], order[j]);
        const double now = RingCost(links, rail, order);
        std::swap(order[behind], order[j]);
        if (now < cost * (1 - 1e-9)) {
          cost = now;
          best = j;
        }
      }
      if (best != behind) {
        std::swap(order[behind], order[best]);
        better = true;
      }
    }
  }
  return cost < untouched ? order : std::vector<int>();
}

std::vector<std::vector<int>> Factorisations(int n, int most) {
  if (n == 1) return {};
  std::vector<std::vector<int>> all = {{n}};
  for (int factor = 2; factor * 2 <= n && most > 1; ++factor) {
    if (n % factor != 0) continue;
    for (std::vector<int> rest : Factorisations(n / factor, most - 1)) {
      rest.insert(rest.begin(), factor);
      all.push_back(std::move(rest));
    }
  }
  return all;
}

Status MakeOptions(const CostModel& model, const PlanWishes& wishes, std::vector<Option>* options) {
  options->clear();
  const Topology& topology = model.topology();
  Maker maker(model, options);
  const std::string& plan = wishes.plan;
  const int rails = maker.Rails();
  if (plan.rfind("grid:", 0) == 0) {
    std::vector<int> grid;
    DDL_RETURN_IF_ERROR(ParseGrid(plan.substr(5), topology.size(), &grid).Prefixed("plan"));
    maker.Add("grid", grid, false, 1, rails);
    return OkStatus();
  }
  if (plan == "grid") {
    maker.AddGrids();
    if (options->empty()) maker.Add("grid", {topology.size()}, true, 1, rails);
    return OkStatus();
  }
  if (plan == "rings") {
    maker.Add("ring", {}, true, rails, rails);
    return OkStatus();
  }
  if (!plan.empty() && !IsAlgorithm(plan)) {
    return InvalidArgument("plan \"" + plan +
                           "\" is not known: it should be direct, pairwise, halving-doubling, "
                           "ring, rings (one per rail), grid or a grid such as grid:4x2");
  }
  const auto wanted = [&](const char* name) { return plan.empty() || plan == name; };
  if (wanted("direct")) maker.Add("direct", {}, false, 1, 1);
  if (topology.size() == 1 && plan.empty()) return OkStatus();
  if (wanted("pairwise")) maker.Add("pairwise", {}, false, 1, rails);
  if (wanted("ring")) maker.Add("ring", {}, true, 1, plan.empty() ? rails : 1);
  if (plan.empty() && !topology.OnOneHost()) maker.AddGrids();
  if (wanted("halving-doubling")) maker.Add("halving-doubling", {}, false, 1, rails);
  return OkStatus();
}

}  // namespace tf_ddl
