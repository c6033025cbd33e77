#include "engine/link_watch.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/median.h"

namespace tf_ddl {
namespace {

// Less than this says nothing about a link's bandwidth.
constexpr double kMinBytes = 128 << 10;
constexpr double kMinSeconds = 0.001;
// A link at less than this part of what is usual on its rail is slow; it is well again above the
// second.
constexpr double kSlow = 0.4;
constexpr double kWell = 0.75;
// While a link is slow, plans are made anew when its rate changes by this factor.
constexpr double kOther = 1.5;
// How fast the relation of the rails follows what is seen.
constexpr double kFollowRails = 0.5;
// Rails whose relation is off by this much need other shares.
constexpr double kOffBalance = 0.05;

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
      rail_scale_(topology_.rails.size(), 1.0),
      rail_seen_(topology_.rails.size(), 0.0) {}

void LinkWatch::Add(int host, const std::vector<RailReport>& rails) {
  for (size_t rail = 0; rail < rails.size(); ++rail) {
    if (rails[rail].bytes == 0) continue;
    Link& link = links_[{static_cast<int>(rail), host}];
    link.bytes += rails[rail].bytes;
    link.seconds = std::max(link.seconds, rails[rail].seconds);
    link.precise += rails[rail].precise;
    link.imprecise = link.imprecise || rails[rail].precise == 0;
  }
}

// To the other hosts, as the probe says: the usual cost, or where all are exceptional theirs.
double LinkWatch::ProbedBeta(const Key& key) const {
  const auto [rail, host] = key;
  double best = 0;
  for (int to = 0; to < static_cast<int>(topology_.hosts.size()); ++to) {
    if (to == host) continue;
    const double beta = measured_.Between(rail, host, to).beta;
    if (best == 0 || beta < best) best = beta;
  }
  return best;
}

bool LinkWatch::Update() {
  for (auto& [key, link] : links_) CloseEpoch(key, &link);
  std::vector<double> usual;
  for (size_t rail = 0; rail < topology_.rails.size(); ++rail) {
    usual.push_back(UsualOf(static_cast<int>(rail)));
  }
  bool changed = false;
  for (auto& [key, link] : links_) {
    changed = UpdateLink(key, usual[key.first], &link) || changed;
  }
  changed = UpdateRails(usual) || changed;
  if (changed) MakeModel();
  return changed;
}

void LinkWatch::CloseEpoch(const Key& key, Link* link) {
  const double bytes = std::exchange(link->bytes, 0);
  const double seconds = std::exchange(link->seconds, 0);
  const double precise = std::exchange(link->precise, 0);
  const bool imprecise = std::exchange(link->imprecise, false);
  const bool enough = bytes >= kMinBytes && seconds >= kMinSeconds;
  link->relative = enough && !imprecise ? precise * ProbedBeta(key) : 0;
}

double LinkWatch::UsualOf(int rail) const {
  std::vector<double> relatives;
  for (const auto& [key, link] : links_) {
    if (key.first == rail && link.relative > 0) relatives.push_back(link.relative);
  }
  return relatives.size() < 2 ? 0 : Median(std::move(relatives));
}

bool LinkWatch::UpdateLink(const Key& key, double usual, Link* link) {
  if (link->relative == 0 || usual == 0) return false;
  const double before = std::exchange(link->factor, link->relative / usual);
  const double expected = usual / ProbedBeta(key);
  if (!link->slow && link->factor < kSlow) {
    link->slow = true;
    news_.push_back(Describe(key) + " carries " + Rate(expected * link->factor) + ", where " +
                    Rate(expected) + " were to be expected");
    return true;
  }
  if (!link->slow) return false;
  if (link->factor < kWell) {
    // The first sign may have come from an epoch that was slow in part only.
    if (link->factor < before / kOther || link->factor > before * kOther) return true;
    link->factor = before;
    return false;
  }
  link->slow = false;
  news_.push_back(Describe(key) + " carries " + Rate(expected * link->factor) + " again");
  return true;
}

// Rails that are used in one epoch are used in the same way.
bool LinkWatch::UpdateRails(const std::vector<double>& usual) {
  const auto rate = [&](size_t rail) { return usual[rail] / measured_.rails[rail].beta; };
  size_t fastest = 0;  // keeps its cost
  for (size_t rail = 0; rail < usual.size(); ++rail) {
    if (usual[rail] == 0) return false;
    if (rate(rail) > rate(fastest)) fastest = rail;
  }
  if (usual.size() < 2) return false;
  bool changed = false;
  for (size_t rail = 0; rail < usual.size(); ++rail) {
    const double scale = usual[fastest] / usual[rail];
    double& seen = rail_seen_[rail];
    seen = seen == 0 ? scale : seen + (scale - seen) * kFollowRails;
    if (std::abs(seen / rail_scale_[rail] - 1) > kOffBalance) {
      rail_scale_[rail] = seen;
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
  for (const auto& [key, link] : links_) {
    if (!link.slow) continue;
    const auto [rail, host] = key;
    for (int to = 0; to < static_cast<int>(topology_.hosts.size()); ++to) {
      if (to == host) continue;
      LinkCost cost = model_.Between(rail, host, to);
      cost.beta /= link.factor;
      model_.exceptions[{rail, host, to}] = cost;
    }
  }
}

std::string LinkWatch::Describe(const Key& key) const {
  const auto [rail, host] = key;
  const std::string& network = topology_.rails[rail];
  std::string interface;
  for (const Interface& each : topology_.hosts[host].interfaces) {
    if (!network.empty() && each.network == network) interface = each.name + ", ";
  }
  return "the link of host " + topology_.hosts[host].name + " to rail " + std::to_string(rail) +
         (network.empty() ? "" : " (" + interface + network + ")");
}

std::vector<std::string> LinkWatch::TakeNews() { return std::exchange(news_, {}); }

}  // namespace tf_ddl
