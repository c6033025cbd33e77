#include "plan/cost.h"

#include <algorithm>
#include <cmath>

#include "plan/arrangement.h"

namespace tf_ddl {
namespace {

// The part of a message's latency during which its rank can do nothing else.
constexpr double kOverheadOfLatency = 0.25;
// Between hosts most of the latency is the network's.
constexpr double kOverheadOfRailLatency = 0.1;
// Messages that share a NIC do not share it evenly, and the last one counts: this part more time
// for each doubling of their number.
constexpr double kUneven = 0.05;
// A NIC that serves several peers in turn: TCP starts anew after each pause. This part more time
// for each peer beyond the first; measured on test hosts with shallow queues: 0.1 to 0.3.
constexpr double kTurns = 0.1;

}  // namespace

// Rounds that all cost the same: collects the messages of one of them.
class CostModel::Rounds {
 public:
  Rounds(const CostModel& model, int rail) : model_(model), rail_(rail) {
    send_.assign(model.topology_.hosts.size(), 0);
    receive_ = send_;
  }

  // One message, or several with `bytes` and `messages` in all, as fractions of the lane.
  void Message(int from_host, int to_host, double bytes) {
    if (from_host == to_host) {
      Local(bytes);
      return;
    }
    send_[from_host] += bytes;
    receive_[to_host] += bytes;
    if (!model_.links_.exceptions.empty()) paths_[{from_host, to_host}] += bytes;
  }
  // The rank that receives most within its host.
  void Local(double bytes) { local_ = std::max(local_, bytes); }
  void Reduces(double bytes) { reduced_ = std::max(reduced_, bytes); }
  void Alpha(double alpha) { alpha_ = std::max(alpha_, alpha); }
  void Messages(int count) { messages_ = std::max(messages_, count); }
  double AlphaBetween(int from_host, int to_host) const {
    return model_.links_.Between(rail_, from_host, to_host).alpha;
  }

  // `reducing` of `rounds` rounds add what they receive.
  void AddTo(int rounds, int reducing, ColourCost* cost) const {
    const double local = local_ * model_.links_.local.beta;
    const double adding = reduced_ * model_.links_.gamma;
    double slowest = local;
    const double uneven = 1 + kUneven * std::log2(std::max(1, messages_));
    for (size_t h = 0; h < send_.size(); ++h) {
      const Nic& nic = model_.nics_[rail_][h];
      const double send = send_[h] * nic.send_beta * uneven;
      const double receive = receive_[h] * nic.receive_beta * uneven;
      cost->send_busy[h] += rounds * send;
      cost->receive_busy[h] += rounds * receive;
      slowest = std::max({slowest, send, receive});
    }
    if (*std::max_element(send_.begin(), send_.end()) > 0) ++cost->crossings;
    double path_slowest = 0;
    for (const auto& [path, bytes] : paths_) {
      const double seconds = bytes * model_.links_.Between(rail_, path.first, path.second).beta;
      path_slowest = std::max(path_slowest, seconds);
    }
    cost->path_busy += rounds * path_slowest;
    slowest = std::max(slowest, path_slowest);
    const double alpha = alpha_ + std::max(0, messages_ - 1) * model_.overhead_;
    if (reducing > 0) cost->phases.push_back({reducing, alpha, slowest + adding});
    if (rounds > reducing) cost->phases.push_back({rounds - reducing, alpha, slowest});
    cost->rank_busy += rounds * local + reducing * adding;
    cost->messages += rounds * messages_;
  }

 private:
  const CostModel& model_;
  const int rail_;
  std::vector<double> send_, receive_;  // by host
  std::map<std::pair<int, int>, double> paths_;
  double local_ = 0, reduced_ = 0, alpha_ = 0;
  int messages_ = 0;
};

double ColourCost::Latency() const {
  double seconds = 0;
  for (const Phase& phase : phases) seconds += phase.rounds * phase.alpha;
  return seconds;
}

double ColourCost::Busiest() const {
  double busiest = std::max(rank_busy, path_busy);
  for (double seconds : send_busy) busiest = std::max(busiest, seconds);
  for (double seconds : receive_busy) busiest = std::max(busiest, seconds);
  return busiest;
}

CostModel::CostModel(const Topology& topology, const LinkModel& links)
    : topology_(topology), links_(links), host_of_(topology.HostOf()) {
  const int hosts = static_cast<int>(topology.hosts.size());
  const int rails = static_cast<int>(topology.rails.size());
  nics_.assign(rails, std::vector<Nic>(hosts));
  double rail_alpha = 0;
  for (int rail = 0; rail < rails && hosts > 1; ++rail) {
    const LinkCost& usual = links.rails[rail];
    rail_alpha = std::max(rail_alpha, usual.alpha);
    // A NIC is as fast as the best of its paths; what is slower is on the way.
    std::vector<int> sends(hosts, 0), receives(hosts, 0);
    std::vector<Nic> best(hosts, Nic{1e300, 1e300});
    for (const auto& [path, cost] : links.exceptions) {
      const auto& [on, from, to] = path;
      if (on != rail) continue;
      ++sends[from];
      ++receives[to];
      best[from].send_beta = std::min(best[from].send_beta, cost.beta);
      best[to].receive_beta = std::min(best[to].receive_beta, cost.beta);
    }
    for (int h = 0; h < hosts; ++h) {
      Nic& nic = nics_[rail][h];
      nic = best[h];
      if (sends[h] < hosts - 1) nic.send_beta = std::min(nic.send_beta, usual.beta);
      if (receives[h] < hosts - 1) nic.receive_beta = std::min(nic.receive_beta, usual.beta);
    }
  }
  overhead_ = std::max(kOverheadOfLatency * links.local.alpha, kOverheadOfRailLatency * rail_alpha);
}

ColourCost CostModel::Of(const Colour& colour) const {
  ColourCost cost;
  cost.send_busy.assign(topology_.hosts.size(), 0);
  cost.receive_busy = cost.send_busy;
  if (colour.algorithm == "direct" || colour.algorithm == "pairwise") {
    AddExchange(colour.algorithm == "direct", colour, &cost);
  } else if (colour.algorithm == "halving-doubling") {
    AddHalving(colour, &cost);
  } else if (colour.algorithm == "grid" && colour.grid.empty()) {
    AddByHost(colour, &cost);
  } else {
    AddLine(colour, &cost);
  }
  const double turns = 1 + kTurns * std::max(0, cost.crossings - 1);
  for (double& seconds : cost.send_busy) seconds *= turns;
  for (double& seconds : cost.receive_busy) seconds *= turns;
  return cost;
}

// Everybody with everybody, the whole buffer or parts of it.
void CostModel::AddExchange(bool everything, const Colour& colour, ColourCost* cost) const {
  const int hosts = static_cast<int>(topology_.hosts.size());
  const double size = topology_.size();
  const double each = everything ? 1 : 1 / size;
  Rounds round(*this, colour.rail);
  round.Messages(static_cast<int>(size) - 1);
  round.Reduces((size - 1) * each);
  for (int from = 0; from < hosts; ++from) {
    const double ranks = topology_.hosts[from].ranks.size();
    round.Local((ranks - 1) * each);
    if (ranks > 1) round.Alpha(links_.local.alpha);
    for (int to = 0; to < hosts; ++to) {
      if (from == to) continue;
      round.Message(from, to, ranks * topology_.hosts[to].ranks.size() * each);
      round.Alpha(round.AlphaBetween(from, to));
    }
  }
  round.AddTo(everything ? 1 : 2, 1, cost);
}

// Rings and grids: one line, or lines along each dimension in turn.
void CostModel::AddLine(const Colour& colour, ColourCost* cost) const {
  const std::vector<int> positions = Positions(colour, topology_);
  const int size = static_cast<int>(positions.size());
  Colour grid = colour;
  if (colour.algorithm == "ring") grid.grid = {size};
  std::vector<bool> within(grid.grid.size(), false);
  if (colour.algorithm == "grid") within = DimensionsWithinHosts(grid.grid, positions, host_of_);
  double fraction = 1;  // of the lane: what a line has to reduce
  for (int dimension : DimensionOrder(grid)) {
    const int n = grid.grid[dimension];
    if (n == 1) continue;
    int stride = 1;
    for (int d = 0; d < dimension; ++d) stride *= grid.grid[d];
    const double part = fraction / n;
    fraction = part;
    Rounds round(*this, colour.rail);
    if (within[dimension]) {
      round.Messages(n - 1);
      round.Local((n - 1) * part);
      round.Reduces((n - 1) * part);
      round.Alpha(links_.local.alpha);
      round.AddTo(2, 1, cost);
      continue;
    }
    round.Messages(1);
    round.Reduces(part);
    for (int p = 0; p < size; ++p) {
      const int place = p / stride % n;
      const int next = place + 1 < n ? p + stride : p - place * stride;
      const int from = host_of_[positions[p]], to = host_of_[positions[next]];
      round.Message(from, to, part);
      round.Alpha(round.AlphaBetween(from, to));
    }
    round.AddTo(2 * (n - 1), n - 1, cost);
  }
}

void CostModel::AddHalving(const Colour& colour, ColourCost* cost) const {
  const Halving halving = FoldIn(Positions(colour, topology_), host_of_);
  if (!halving.folded.empty()) {
    Rounds fold(*this, colour.rail), unfold(*this, colour.rail);
    for (size_t i = 0; i < halving.folded.size(); ++i) {
      const int from = host_of_[halving.folded[i]], to = host_of_[halving.partner[i]];
      fold.Message(from, to, 1);
      fold.Alpha(fold.AlphaBetween(from, to));
      unfold.Message(to, from, 1);
      unfold.Alpha(unfold.AlphaBetween(to, from));
    }
    fold.Reduces(1);
    fold.Messages(1);
    unfold.Messages(1);
    fold.AddTo(1, 1, cost);
    unfold.AddTo(1, 0, cost);
  }
  double half = 1;
  for (size_t distance = 1; distance < halving.active.size(); distance *= 2) {
    half /= 2;
    Rounds round(*this, colour.rail);
    for (size_t at = 0; at < halving.active.size(); ++at) {
      const int from = host_of_[halving.active[at]];
      const int to = host_of_[halving.active[at ^ distance]];
      round.Message(from, to, half);
      round.Alpha(round.AlphaBetween(from, to));
    }
    round.Reduces(half);
    round.Messages(1);
    round.AddTo(2, 1, cost);
  }
}

void CostModel::AddByHost(const Colour& colour, ColourCost* cost) const {
  const HostRanks hosts = OrderedHosts(colour, topology_);
  const int n = static_cast<int>(hosts.size());
  size_t most = 1, fewest = hosts[0].size();
  for (const auto& ranks : hosts) {
    most = std::max(most, ranks.size());
    fewest = std::min(fewest, ranks.size());
  }
  if (most > 1) {
    Rounds within(*this, colour.rail);
    within.Messages(static_cast<int>(most) - 1);
    within.Local(1 - 1.0 / most);
    within.Reduces(1 - 1.0 / most);
    within.Alpha(links_.local.alpha);
    within.AddTo(2, 1, cost);
  }
  if (n == 1) return;
  const int turns = ByHostTurns(hosts);
  Rounds round(*this, colour.rail);
  round.Messages(1);
  round.Reduces(1.0 / n / fewest / turns);
  for (int i = 0; i < n; ++i) {
    const int from = host_of_[hosts[i][0]], to = host_of_[hosts[(i + 1) % n][0]];
    round.Message(from, to, 1.0 / n / turns);
    round.Alpha(round.AlphaBetween(from, to));
  }
  round.AddTo(2 * (n - 1) * turns, (n - 1) * turns, cost);
}

double CostModel::Seconds(const PlanSpec& spec, const std::vector<ColourCost>& costs,
                          int64_t bytes) const {
  const double chunk = static_cast<double>(spec.chunk_bytes) * topology_.size();
  double seconds = 0, latency = 0, rank_busy = 0, messages = 0, most_messages = 0;
  for (size_t c = 0; c < costs.size(); ++c) {
    const double share = spec.colours[c].share * static_cast<double>(bytes);
    const bool direct = spec.colours[c].algorithm == "direct";
    const double lanes = direct ? 1 : std::max(1.0, std::ceil(share / chunk));
    const double lane = share / lanes;
    double chain = 0;
    for (const ColourCost::Phase& phase : costs[c].phases) {
      chain += phase.rounds * (phase.alpha + lane * phase.per_byte);
    }
    const double busy = std::max(lane * costs[c].Busiest(), costs[c].messages * overhead_);
    seconds = std::max(seconds, chain + (lanes - 1) * std::max(busy, chain / kLanesUnderWay));
    latency = std::max(latency, costs[c].Latency());
    rank_busy += share * costs[c].rank_busy;
    messages += lanes * costs[c].messages;
    most_messages = std::max(most_messages, lanes * costs[c].messages);
  }
  seconds = std::max(seconds, latency + rank_busy);
  // Colours on one rail share its NICs.
  for (size_t c = 0; c < costs.size() && costs.size() > 1; ++c) {
    for (size_t h = 0; h < costs[c].send_busy.size(); ++h) {
      double send = 0, receive = 0;
      for (size_t other = 0; other < costs.size(); ++other) {
        if (spec.colours[other].rail != spec.colours[c].rail) continue;
        const double share = spec.colours[other].share * static_cast<double>(bytes);
        send += share * costs[other].send_busy[h];
        receive += share * costs[other].receive_busy[h];
      }
      seconds = std::max(seconds, latency + std::max(send, receive));
    }
  }
  // A rank posts the messages of all colours itself.
  return seconds + (messages - most_messages) * overhead_;
}

double CostModel::Seconds(const PlanSpec& spec, int64_t bytes) const {
  std::vector<ColourCost> costs;
  for (const Colour& colour : spec.colours) costs.push_back(Of(colour));
  return Seconds(spec, costs, bytes);
}

double PredictSeconds(const PlanSpec& spec, const Topology& topology, const LinkModel& links,
                      int64_t bytes) {
  return CostModel(topology, links).Seconds(spec, bytes);
}

}  // namespace tf_ddl
