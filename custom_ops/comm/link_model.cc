// From measurements to a model; pure functions.
#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

#include "base/median.h"
#include "comm/link_probe.h"

namespace tf_ddl {
namespace {

// A link that is slower by this factor has a cost of its own in the model. One that is faster has
// not: nothing is lost by treating it as usual, and much if it only seemed to be.
constexpr double kExceptional = 1.5;

LinkCost MedianCost(const std::vector<LinkCost>& costs) {
  std::vector<double> alphas, betas;
  for (const LinkCost& cost : costs) {
    alphas.push_back(cost.alpha);
    betas.push_back(cost.beta);
  }
  return {Median(alphas), Median(betas)};
}

}  // namespace

std::string Serialize(const LinkSample& s) {
  std::ostringstream text;
  text.precision(17);
  text << s.rail << ' ' << s.from << ' ' << s.to << ' ' << s.cost.alpha << ' ' << s.cost.beta << ' '
       << s.gamma << '\n';
  return text.str();
}

Status Parse(const std::string& text, const Topology& topology, std::vector<LinkSample>* samples) {
  const int rails = static_cast<int>(topology.rails.size());
  const int hosts = static_cast<int>(topology.hosts.size());
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    LinkSample s;
    std::string rest;
    const bool whole =
        static_cast<bool>(in >> s.rail >> s.from >> s.to >> s.cost.alpha >> s.cost.beta >> s.gamma);
    const bool within = s.rail == -1 && s.from == -1 && s.to == -1;
    const bool between = s.rail >= 0 && s.rail < rails && s.from >= 0 && s.from < hosts &&
                         s.to >= 0 && s.to < hosts && s.from != s.to && s.cost.beta > 0;
    if (!whole || in >> rest || !(within || between) || s.cost.alpha < 0 || s.cost.beta < 0 ||
        s.gamma < 0) {
      return Internal("a rank reported a link that makes no sense: \"" + line + "\"");
    }
    samples->push_back(s);
  }
  return OkStatus();
}

LinkModel ModelOf(const std::vector<LinkSample>& samples, const Topology& topology) {
  LinkModel model = UsualLinks(static_cast<int>(topology.rails.size()));
  std::vector<LinkCost> local;
  std::vector<double> gammas;
  std::vector<std::vector<LinkCost>> rails(topology.rails.size());
  for (const LinkSample& sample : samples) {
    if (sample.rail >= 0) {
      rails[sample.rail].push_back(sample.cost);
    } else {
      if (sample.cost.beta > 0) local.push_back(sample.cost);
      if (sample.gamma > 0) gammas.push_back(sample.gamma);
    }
  }
  if (!local.empty()) model.local = MedianCost(local);
  if (!gammas.empty()) model.gamma = Median(gammas);
  for (size_t rail = 0; rail < rails.size(); ++rail) {
    if (!rails[rail].empty()) model.rails[rail] = MedianCost(rails[rail]);
  }
  for (const LinkSample& sample : samples) {
    if (sample.rail < 0) continue;
    const double usual = model.rails[sample.rail].beta;
    if (sample.cost.beta > usual * kExceptional) {
      model.exceptions[{sample.rail, sample.from, sample.to}] = sample.cost;
    }
  }
  return model;
}

// The circle method: one host stays, the others move on by one place each round. With an odd number
// whoever meets nobody rests.
std::vector<std::vector<std::pair<int, int>>> Tournament(int hosts, int max_rounds) {
  std::vector<std::vector<std::pair<int, int>>> rounds;
  const int places = hosts + hosts % 2;
  for (int round = 0; round < std::min(places - 1, max_rounds); ++round) {
    std::vector<std::pair<int, int>> pairs;
    for (int i = 0; i < places / 2; ++i) {
      const auto at = [&](int place) {
        return place == 0 ? 0 : 1 + (place - 1 + round) % (places - 1);
      };
      const int a = at(i);
      const int b = at(places - 1 - i);
      if (a < hosts && b < hosts) pairs.emplace_back(std::min(a, b), std::max(a, b));
    }
    rounds.push_back(std::move(pairs));
  }
  return rounds;
}

}  // namespace tf_ddl
