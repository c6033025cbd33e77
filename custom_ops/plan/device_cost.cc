#include "plan/device_cost.h"

#include <algorithm>
#include <cmath>

namespace tf_ddl {
namespace {

// The chunks that are tried; what a chunk saves by overlapping it pays in launches.
constexpr int64_t kChunks[] = {0, 1 << 20, 4 << 20, 16 << 20};

// Times that do not grow with the bytes were disturbed; a beta is never 0.
constexpr double kLeastBeta = 1e-15;

int Log2Up(int n) {
  int log = 0;
  while ((1 << log) < n) ++log;
  return log;
}

// Of the ranks that a collective of a grid's dimension runs among.
struct Spread {
  int ranks = 1;
  int hosts = 1;
};

struct Parts {
  double steps = 0;    // latency
  double local = 0;    // seconds by byte
  double between = 0;  // seconds by byte, with `lines` such collectives sharing a host's network
};

// `passes`: 2 for an all-reduce, 1 for a reduce-scatter or an all-gather.
Parts Cost(const Spread& spread, const DeviceLinks& links, int passes, int lines) {
  Parts parts;
  const int within = std::max(1, spread.ranks / std::max(1, spread.hosts));
  const double ring =
      passes * (spread.hosts > 1 ? spread.hosts * links.between.alpha +
                                       (spread.ranks - spread.hosts) * links.local.alpha
                                 : (spread.ranks - 1) * links.local.alpha);
  const double tree =
      passes * (Log2Up(within) * links.local.alpha + Log2Up(spread.hosts) * links.between.alpha);
  parts.steps = passes == 2 ? std::min(ring, tree) : ring;
  const double part = passes * (spread.ranks - 1.0) / spread.ranks;
  if (within > 1) parts.local = part * links.local.beta;
  if (spread.hosts > 1) parts.between = part * lines * links.between.beta;
  return parts;
}

// Ranks of a host, if hosts are equally large; else 0.
int PerHost(const Topology& topology) {
  const int hosts = static_cast<int>(topology.hosts.size());
  return hosts > 0 && topology.uniform() ? topology.size() / hosts : 0;
}

// Times lie on a line: alpha, and beta for one byte more.
LinkCost LineThrough(const TwoTimes& times, int64_t many_bytes) {
  LinkCost line;
  line.beta = (times.many - times.few) / static_cast<double>(many_bytes - kFewBytes);
  line.beta = std::max(line.beta, kLeastBeta);
  line.alpha = std::max(0.0, times.few - line.beta * kFewBytes);
  return line;
}

// The costs of a step and of a byte with which Cost comes to the line.
LinkCost PerStep(const LinkCost& line, double launch, double steps, double part) {
  return {std::max(0.0, line.alpha - launch) / steps, std::max(line.beta / part, kLeastBeta)};
}

// By dimension of `grid`: along how many hosts its lines go.
std::vector<Spread> Spreads(const std::vector<int>& grid, const Topology& topology) {
  const int hosts = static_cast<int>(topology.hosts.size());
  const int per_host = topology.size() / std::max(1, hosts);
  std::vector<Spread> spreads;
  int stride = 1;
  for (int length : grid) {
    Spread spread;
    spread.ranks = length;
    const int reach = stride * length;  // ranks that lie between a line's ends, roughly
    if (stride >= per_host) {
      spread.hosts = length;
    } else if (reach > per_host) {
      spread.hosts = (reach + per_host - 1) / per_host;
    }
    spreads.push_back(spread);
    stride = reach;
  }
  return spreads;
}

}  // namespace

DeviceLinks UsualDeviceLinks() {
  DeviceLinks links;
  links.local = {3e-6, 1 / 200e9};
  links.between = {12e-6, 1 / 12.5e9};
  links.launch = 5e-6;
  links.call = 1.5e-6;
  links.memory_beta = 1 / 2e12;
  return links;
}

DeviceLinks FitDeviceLinks(const DeviceTimes& times, const Topology& topology) {
  DeviceLinks links = UsualDeviceLinks();
  if (times.pack.many > 0) {
    const LinkCost line = LineThrough(times.pack, times.many_bytes);
    links.launch = line.alpha;
    links.memory_beta = line.beta / 2;  // read and written
  }
  if (times.grouped > 0 && times.flat.many > 0) {
    links.call = std::max(0.0, (times.grouped - times.flat.few) / (kGroupedTensors - 1));
  }
  if (times.flat.many > 0) links.flat = LineThrough(times.flat, times.many_bytes);
  // A dimension's line is a flat all-reduce of its ranks; with one host, or one rank on each, the
  // flat one is the only line.
  DeviceLinks units = links;
  units.local = units.between = {1, 1};
  const int hosts = static_cast<int>(topology.hosts.size()), per_host = PerHost(topology);
  const TwoTimes& local = hosts == 1 ? times.flat : times.local;
  const TwoTimes& between = per_host == 1 ? times.flat : times.between;
  if (per_host > 1 && local.many > 0) {
    const Parts parts = Cost({per_host, 1}, units, 2, 1);
    links.local =
        PerStep(LineThrough(local, times.many_bytes), links.launch, parts.steps, parts.local);
  }
  if (per_host > 0 && hosts > 1 && between.many > 0) {
    const Parts parts = Cost({hosts, hosts}, units, 2, per_host);
    links.between =
        PerStep(LineThrough(between, times.many_bytes), links.launch, parts.steps, parts.between);
  }
  return links;
}

Status Validate(const DeviceLinks& links) {
  const auto bad = [](double value) { return !std::isfinite(value) || value < 0; };
  if (bad(links.local.alpha) || bad(links.between.alpha) || bad(links.launch) || bad(links.call) ||
      bad(links.flat.alpha) || bad(links.flat.beta) || bad(links.local.beta) ||
      bad(links.between.beta) || bad(links.memory_beta) || links.local.beta <= 0 ||
      links.between.beta <= 0 || links.memory_beta <= 0) {
    return InvalidArgument("costs of GPU links must be finite, not negative, and betas above 0");
  }
  return OkStatus();
}

double PredictSeconds(const DevicePlan& plan, const Topology& topology, const DeviceLinks& links,
                      int64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (plan.grid.empty()) {
    const Spread all{topology.size(), static_cast<int>(topology.hosts.size())};
    if (links.flat.beta > 0) return links.flat.alpha + b * links.flat.beta;
    if (all.ranks == 1) return links.launch + 2 * b * links.memory_beta;
    const Parts parts = Cost(all, links, 2, 1);
    return links.launch + parts.steps + b * std::max(parts.local, parts.between);
  }
  // Lines that run at the same time on a host share its network.
  const int per_host =
      std::max<int>(1, topology.size() / std::max<size_t>(1, topology.hosts.size()));
  const std::vector<Spread> spreads = Spreads(plan.grid, topology);
  const int64_t chunk = plan.chunk_bytes > 0 ? std::min(plan.chunk_bytes, bytes) : bytes;
  const double chunks = std::max(1.0, std::ceil(b / std::max<double>(1, chunk)));
  double chain = 0;               // one chunk through all phases
  double local = 0, between = 0;  // of all chunks: each resource's work
  double fraction = 1;
  int phases = 0;
  for (size_t d = 0; d < spreads.size(); ++d) {
    const bool last = d + 1 == spreads.size();
    const Spread& spread = spreads[d];
    const int lines = spread.hosts > 1 ? std::max(1, per_host * spread.hosts / spread.ranks) : 1;
    const Parts parts = Cost(spread, links, last ? 2 : 1, lines);
    const int times = last ? 1 : 2;  // there and back
    chain += times *
             (links.launch + parts.steps + chunk * fraction * std::max(parts.local, parts.between));
    local += times * b * fraction * parts.local;
    between += times * b * fraction * parts.between;
    phases += times;
    if (!last) fraction /= spread.ranks;
  }
  // Chunks behind the first cost what the busiest resource, or launching them, needs.
  const double each = std::max({local / chunks, between / chunks, phases * links.launch});
  return chain + (chunks - 1) * each;
}

std::vector<DevicePlan> DevicePlanCandidates(const Topology& topology, const DeviceLinks& links,
                                             int64_t bytes) {
  std::vector<DevicePlan> plans = {DevicePlan{}};
  const int hosts = static_cast<int>(topology.hosts.size());
  if (hosts > 1 && topology.uniform() && topology.size() > hosts) {
    for (int64_t chunk : kChunks) {
      if (chunk > 0 && chunk >= bytes) continue;
      plans.push_back({{topology.size() / hosts, hosts}, chunk});
    }
  }
  std::stable_sort(plans.begin(), plans.end(), [&](const DevicePlan& a, const DevicePlan& b) {
    return PredictSeconds(a, topology, links, bytes) < PredictSeconds(b, topology, links, bytes);
  });
  return plans;
}

Status Validate(const DevicePlan& plan, const Topology& topology) {
  int64_t ranks = 1;
  for (int length : plan.grid) {
    if (length < 2 || ranks > topology.size()) {
      return InvalidArgument(ToString(plan) + ": every dimension of a grid needs 2 ranks or more");
    }
    ranks *= length;
  }
  if (!plan.grid.empty() && ranks != topology.size()) {
    return InvalidArgument(ToString(plan) + " makes " + std::to_string(ranks) +
                           " ranks, the job has " + std::to_string(topology.size()));
  }
  if (!plan.grid.empty() && topology.hosts.size() > 1 && !topology.uniform()) {
    return InvalidArgument(ToString(plan) + ": hosts with unequal numbers of GPUs reduce flat");
  }
  if (plan.chunk_bytes < 0) return InvalidArgument("chunks of a device plan: negative bytes");
  return OkStatus();
}

bool PackingIsFaster(const DeviceLinks& links, int tensors, int64_t bytes) {
  // In and out again, each a launch that reads and writes every byte.
  const double packing = 2 * (links.launch + 2.0 * bytes * links.memory_beta);
  return (tensors - 1) * links.call > packing;
}

}  // namespace tf_ddl
