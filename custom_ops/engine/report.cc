#include "engine/report.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace tf_ddl {

std::string Serialize(const Report& report) {
  std::ostringstream text;
  text.precision(9);
  text << report.group << ' ' << report.epoch << ' ' << report.exposed << ' ' << report.whole;
  for (const LinkUse& use : report.links) {
    text << ' ' << use.rail << ' ' << use.to_host << ' ' << use.bytes << ' ' << use.seconds;
  }
  return text.str();
}

Status Parse(const std::string& text, int hosts, int rails, Report* report) {
  std::istringstream in(text);
  Report out;
  const auto good = [](double value) { return std::isfinite(value) && value >= 0; };
  bool valid = static_cast<bool>(in >> out.group >> out.epoch >> out.exposed >> out.whole) &&
               good(out.exposed) && good(out.whole);
  for (LinkUse use; valid && in >> use.rail;) {
    valid = static_cast<bool>(in >> use.to_host >> use.bytes >> use.seconds) && use.rail >= 0 &&
            use.rail < rails && use.to_host >= 0 && use.to_host < hosts && good(use.bytes) &&
            good(use.seconds);
    out.links.push_back(use);
  }
  if (!valid || !in.eof()) return Internal("sent a report that makes no sense");
  *report = std::move(out);
  return OkStatus();
}

std::vector<LinkUse> LinkMeter::Take() {
  const Topology& topology = communicator_->topology();
  const std::vector<int> host_of = topology.HostOf();
  const int own = host_of[communicator_->rank()];
  std::map<std::pair<int, int>, LinkUse> uses;
  for (int peer = 0; peer < communicator_->size(); ++peer) {
    if (host_of[peer] == own) continue;
    const std::vector<LinkStats> sockets = communicator_->ReadLinksTo(peer);
    for (size_t i = 0; i < sockets.size(); ++i) {
      const LinkStats& now = sockets[i];
      Count& last = last_[{peer, i}];
      const double bytes = static_cast<double>(now.bytes_acked) - last.bytes;
      const double busy = now.busy_seconds - now.receiver_limited_seconds;
      const double seconds = busy - last.seconds;
      last = {static_cast<double>(now.bytes_acked), busy};
      if (bytes <= 0 || seconds < 0 ||
          now.rail >= static_cast<int>(topology.rails.size())) {
        continue;
      }
      LinkUse& use = uses[{now.rail, host_of[peer]}];
      use.rail = now.rail;
      use.to_host = host_of[peer];
      use.bytes += bytes;
      // Sockets of a rail are busy at the same time.
      use.seconds = std::max(use.seconds, seconds);
    }
  }
  std::vector<LinkUse> taken;
  for (const auto& entry : uses) taken.push_back(entry.second);
  return taken;
}

}  // namespace tf_ddl
