#include "engine/link_watch.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace tf_ddl {
namespace {

// Less than this says nothing about a link's bandwidth.
constexpr double kMinBytes = 128 << 10;
constexpr double kMinSeconds = 0.001;
// A link at less than this part of its usual rate is slow; it is well again above the second.
constexpr double kSlow = 0.5;
constexpr double kWell = 0.75;
// While a link is slow, plans are made anew when its rate changes by this factor.
constexpr double kOther = 1.5;
// How fast the usual rate follows what is seen.
constexpr double kFollow = 0.3;
// Rails whose relation is off by this much need other shares.
constexpr double kOffBalance = 0.05;

double Median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + middle, values.end());
  return values[middle];
}

std::string Rate(double bytes_per_second) {
  char text[48];
  std::snprintf(text, sizeof text, "%.3g MB/s", bytes_per_second * 1e-6);
  return text;
}

}  // namespace

LinkWatch::LinkWatch(Topology topology, LinkModel measured)
    : topology_(std::move(topology)),
      measured_(std::move(measured)),
      model_(measured_),
      rail_scale_(topology_.rails.size(), 1.0) {}

void LinkWatch::Add(int from_host, const std::vector<LinkUse>& uses) {
  for (const LinkUse& use : uses) {
    Link& link = links_[{use.rail, from_host, use.to_host}];
    link.bytes += use.bytes;
    link.seconds += use.seconds;
  }
}

bool LinkWatch::Update() {
  bool changed = false;
  for (auto& [key, link] : links_) changed = UpdateLink(key, &link) || changed;
  changed = UpdateRails() || changed;
  if (changed) MakeModel();
  return changed;
}

bool LinkWatch::UpdateLink(const Key& key, Link* link) {
  const double bytes = std::exchange(link->bytes, 0);
  const double seconds = std::exchange(link->seconds, 0);
  if (bytes < kMinBytes || seconds < kMinSeconds) return false;
  const double rate = bytes / seconds;
  if (link->usual == 0) link->usual = rate;
  const double before = std::exchange(link->factor, rate / link->usual);
  if (!link->slow && link->factor < kSlow) {
    link->slow = true;
    news_.push_back(Describe(key) + " carries " + Rate(rate) + ", where it carried " +
                    Rate(link->usual));
    return true;
  }
  if (link->slow) {
    if (link->factor < kWell) {
      // The first sign may have come from an epoch that was slow in part only.
      if (link->factor < before / kOther || link->factor > before * kOther) return true;
      link->factor = before;
      return false;
    }
    link->slow = false;
    news_.push_back(Describe(key) + " carries " + Rate(rate) + " again");
    return true;
  }
  link->usual += (rate - link->usual) * kFollow;
  return false;
}

// Rails are used at the same time in the same way, so their rates can be compared.
bool LinkWatch::UpdateRails() {
  std::vector<std::vector<double>> rates(topology_.rails.size());
  for (const auto& [key, link] : links_) {
    if (link.usual > 0 && !link.slow) rates[std::get<0>(key)].push_back(link.usual);
  }
  if (rates.size() < 2) return false;
  for (const auto& rail : rates) {
    if (rail.empty()) return false;
  }
  // The fastest keeps its cost.
  size_t fastest = 0;
  std::vector<double> medians;
  for (const auto& rail : rates) {
    medians.push_back(Median(rail));
    if (medians.back() > medians[fastest]) fastest = medians.size() - 1;
  }
  bool changed = false;
  for (size_t rail = 0; rail < rates.size(); ++rail) {
    const double beta = measured_.rails[fastest].beta * medians[fastest] / medians[rail];
    const double scale = beta / measured_.rails[rail].beta;
    if (std::abs(scale / rail_scale_[rail] - 1) > kOffBalance) {
      rail_scale_[rail] = scale;
      changed = true;
    }
  }
  return changed;
}

void LinkWatch::MakeModel() {
  model_ = measured_;
  for (size_t rail = 0; rail < rail_scale_.size(); ++rail) {
    model_.rails[rail].beta *= rail_scale_[rail];
  }
  // What slows all known links of an interface slows the others too.
  const int hosts = static_cast<int>(topology_.hosts.size());
  std::map<std::pair<int, int>, std::pair<bool, double>> interfaces;  // all slow, worst factor
  for (const auto& [key, link] : links_) {
    auto& [all, worst] =
        interfaces.try_emplace({std::get<0>(key), std::get<1>(key)}, true, 1.0).first->second;
    all = all && link.slow;
    worst = std::min(worst, link.factor);
  }
  const auto slow_down = [this](int rail, int from, int to, double factor) {
    LinkCost cost = model_.Between(rail, from, to);
    cost.beta /= factor;
    model_.exceptions[{rail, from, to}] = cost;
  };
  for (const auto& [interface, state] : interfaces) {
    const auto [rail, from] = interface;
    for (int to = 0; to < hosts; ++to) {
      if (to == from) continue;
      const auto known = links_.find({rail, from, to});
      if (known != links_.end() && known->second.slow) {
        slow_down(rail, from, to, known->second.factor);
      } else if (state.first) {
        slow_down(rail, from, to, state.second);
      }
    }
  }
}

std::string LinkWatch::Describe(const Key& key) const {
  const auto [rail, from, to] = key;
  const std::string network = topology_.rails[rail].empty() ? "" : ", " + topology_.rails[rail];
  return "the link from host " + topology_.hosts[from].name + " to host " +
         topology_.hosts[to].name + " (rail " + std::to_string(rail) + network + ")";
}

std::vector<std::string> LinkWatch::TakeNews() { return std::exchange(news_, {}); }

}  // namespace tf_ddl
