#include "engine/rail_rates.h"

#include <algorithm>

namespace tf_ddl {
namespace {

// A rail whose bytes go to one peer for this part at least is as fast as that connection.
constexpr double kOnePeer = 0.95;

}  // namespace

std::map<std::pair<int, int>, RailRates::Count> RailRates::TakePeers() {
  const Topology& topology = communicator_->topology();
  const std::vector<int> host_of = topology.HostOf();
  std::map<std::pair<int, int>, Count> peers;
  for (int peer = 0; peer < communicator_->size(); ++peer) {
    if (host_of[peer] == host_of[communicator_->rank()]) continue;
    const std::vector<LinkStats> sockets = communicator_->ReadLinksTo(peer);
    for (size_t i = 0; i < sockets.size(); ++i) {
      const LinkStats& now = sockets[i];
      const Count count = {static_cast<double>(now.bytes_acked),
                           now.busy_seconds - now.receiver_limited_seconds};
      Count& last = last_sockets_[{peer, i}];
      Count& sum = peers[{now.rail, peer}];
      sum.bytes += count.bytes - last.bytes;
      // Sockets of a rail are busy at the same time.
      sum.seconds = std::max(sum.seconds, count.seconds - last.seconds);
      last = count;
    }
  }
  return peers;
}

std::vector<RailReport> RailRates::Take() {
  const std::vector<RailUse> now = communicator_->RailUses();
  last_.resize(now.size());
  std::vector<RailReport> reports(now.size());
  for (size_t rail = 0; rail < now.size(); ++rail) {
    reports[rail].bytes = now[rail].bytes - last_[rail].bytes;
    reports[rail].seconds = now[rail].seconds - last_[rail].seconds;
  }
  last_ = now;
  for (const auto& [key, count] : TakePeers()) {
    const size_t rail = static_cast<size_t>(key.first);
    if (rail >= reports.size() || count.seconds <= 0) continue;
    if (count.bytes >= reports[rail].bytes * kOnePeer) {
      reports[rail].precise = count.bytes / count.seconds;
    }
  }
  return reports;
}

}  // namespace tf_ddl
