#include "plan/symmetry.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <tuple>

namespace tf_ddl {
namespace {

constexpr int64_t kRest = 64;  // elements; Part() in the planners moves boundaries by less
constexpr int kCompareAll = 64;
constexpr int kSample = 16;

bool Exists(int rank, const std::vector<Place>& places) {
  return rank >= 0 && rank < static_cast<int>(places.size());
}

bool Alike(const Step& a, const Place& a_at, const Step& b, const Place& b_at,
           const std::vector<Place>& places) {
  if (a.kind != b.kind || a.buffer != b.buffer || (a.peer < 0) != (b.peer < 0)) return false;
  if (std::llabs((a.end - a.begin) - (b.end - b.begin)) > kRest) return false;
  if (a.peer < 0) return true;
  if (!Exists(a.peer, places) || !Exists(b.peer, places)) return false;
  const Place& a_peer = places[a.peer];
  const Place& b_peer = places[b.peer];
  return a_peer.local == b_peer.local && (a_peer.host == a_at.host) == (b_peer.host == b_at.host);
}

bool Alike(const Plan& a, const Plan& b, const std::vector<Place>& places) {
  const Place& a_at = places[a.rank];
  const Place& b_at = places[b.rank];
  if (a.lanes.size() != b.lanes.size()) return false;
  for (size_t l = 0; l < a.lanes.size(); ++l) {
    const Lane& x = a.lanes[l];
    const Lane& y = b.lanes[l];
    if (x.colour != y.colour || x.rail != y.rail || x.rounds.size() != y.rounds.size()) {
      return false;
    }
    for (size_t r = 0; r < x.rounds.size(); ++r) {
      const auto& s = x.rounds[r].steps;
      const auto& t = y.rounds[r].steps;
      if (s.size() != t.size()) return false;
      for (size_t i = 0; i < s.size(); ++i) {
        if (!Alike(s[i], a_at, t[i], b_at, places)) return false;
      }
    }
  }
  return true;
}

// Messages between hosts are told apart by the ranks' places within their hosts alone. False, too,
// for plans with ranks that do not exist, so that the simulation of every rank names them.
bool MessagesDistinct(const Plan& plan, const std::vector<Place>& places) {
  for (const Lane& lane : plan.lanes) {
    for (const Round& round : lane.rounds) {
      std::set<std::tuple<bool, int>> seen;
      for (const Step& step : round.steps) {
        if (step.peer < 0) continue;
        if (!Exists(step.peer, places)) return false;
        if (places[step.peer].host == places[plan.rank].host) continue;
        const bool sends = step.kind == StepKind::kSend;
        if (!seen.insert({sends, places[step.peer].local}).second) return false;
      }
    }
  }
  return true;
}

}  // namespace

std::vector<Place> Places(const Topology& topology) {
  std::vector<Place> places(topology.size());
  for (size_t h = 0; h < topology.hosts.size(); ++h) {
    const auto& ranks = topology.hosts[h].ranks;
    for (size_t l = 0; l < ranks.size(); ++l) {
      places[ranks[l]] = {static_cast<int>(h), static_cast<int>(l)};
    }
  }
  return places;
}

std::vector<Plan> OneHostForAll(const Topology& topology, const std::function<Plan(int)>& plan) {
  const std::vector<Place> places = Places(topology);
  const std::vector<int>& ranks = topology.hosts[0].ranks;
  for (const Host& host : topology.hosts) {
    if (host.ranks.size() != ranks.size()) return {};
  }
  std::vector<Plan> first;
  for (int rank : ranks) {
    first.push_back(plan(rank));
    if (!MessagesDistinct(first.back(), places)) return {};
  }
  const int hosts = static_cast<int>(topology.hosts.size());
  const int compared = hosts <= kCompareAll ? hosts : kSample;
  for (int i = 1; i < compared; ++i) {
    const int host = compared == hosts ? i : i * (hosts - 1) / (compared - 1);
    for (size_t l = 0; l < first.size(); ++l) {
      if (!Alike(first[l], plan(topology.hosts[host].ranks[l]), places)) return {};
    }
  }
  return first;
}

}  // namespace tf_ddl
