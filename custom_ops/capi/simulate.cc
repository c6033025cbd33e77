#include "capi/simulate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "engine/buckets.h"
#include "engine/recorder.h"
#include "plan/choose.h"
#include "plan/simulate.h"

namespace {

using namespace tf_ddl;  // NOLINT: this file is the simulator's C face, nothing else

constexpr int64_t kFloatBytes = 4;

struct Bucket {
  int64_t count = 0;
  double start = 0;
  std::string plan;
};

Status Describe(const ddl_cluster& cluster, Topology* topology, LinkModel* links) {
  if (cluster.ranks < 1 || cluster.ranks_per_host < 1 || cluster.rails < 1) {
    return InvalidArgument("a cluster of " + std::to_string(cluster.ranks) + " ranks, " +
                           std::to_string(cluster.ranks_per_host) + " on a host, with " +
                           std::to_string(cluster.rails) + " rails: each must be at least 1");
  }
  for (int rank = 0; rank < cluster.ranks; ++rank) {
    if (rank % cluster.ranks_per_host == 0) {
      topology->hosts.emplace_back();
      topology->hosts.back().name = "host-" + std::to_string(rank / cluster.ranks_per_host);
    }
    topology->hosts.back().ranks.push_back(rank);
  }
  topology->rails.clear();
  for (int rail = 0; rail < cluster.rails; ++rail) {
    topology->rails.push_back("rail-" + std::to_string(rail));
    links->rails.push_back({cluster.rail_alpha[rail], cluster.rail_beta[rail]});
  }
  links->local = {cluster.local_alpha, cluster.local_beta};
  links->gamma = cluster.gamma;
  const std::string grid = cluster.grid == nullptr ? "" : cluster.grid;
  if (!grid.empty()) DDL_RETURN_IF_ERROR(ParseGrid(grid, cluster.ranks, &topology->grid));
  DDL_RETURN_IF_ERROR(Validate(*topology));
  return Validate(*links, *topology);
}

// The engine's buckets (engine/buckets.h), complete when the last of their tensors is ready.
std::vector<Bucket> Fill(int n, const int64_t* counts, const double* ready,
                         const ddl_simulated_engine& engine) {
  std::vector<TensorSpec> tensors(n);
  for (int i = 0; i < n; ++i) tensors[i].shape = {counts[i]};
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return ready[a] < ready[b]; });
  const BucketLayout layout =
      AssignBuckets(tensors, order, engine.first_bucket_bytes, engine.bucket_bytes);
  std::vector<Bucket> buckets;
  for (const std::vector<int>& members : layout.buckets) {
    Bucket bucket;
    for (int i : members) {
      bucket.count += counts[i];
      bucket.start = std::max(bucket.start, ready[i]);
    }
    buckets.push_back(bucket);
  }
  return buckets;
}

std::string ReportText(const std::vector<Bucket>& buckets, const Simulation& simulation) {
  std::ostringstream text;
  text.precision(17);
  text << "{\"buckets\": [";
  for (size_t b = 0; b < buckets.size(); ++b) {
    text << (b == 0 ? "" : ", ") << "{\"bytes\": " << buckets[b].count * kFloatBytes
         << ", \"start\": " << buckets[b].start << ", \"end\": " << simulation.ends[b]
         << ", \"plan\": " << JsonQuoted(buckets[b].plan) << "}";
  }
  text << "], \"messages\": " << simulation.messages
       << ", \"folded\": " << (simulation.folded ? "true" : "false") << "}";
  return text.str();
}

Status SimulateStep(const ddl_cluster& cluster, const ddl_simulated_engine& engine, int n,
                    const int64_t* counts, const double* ready, double* end, std::string* report) {
  Topology topology;
  LinkModel links;
  DDL_RETURN_IF_ERROR(Describe(cluster, &topology, &links));
  if (engine.first_bucket_bytes < 1 || engine.bucket_bytes < 1) {
    return InvalidArgument("buckets of " + std::to_string(engine.bucket_bytes) +
                           " bytes, the first of " + std::to_string(engine.first_bucket_bytes) +
                           ": they must have a byte at least");
  }
  for (int i = 0; i < n; ++i) {
    if (counts[i] < 0 || !(ready[i] >= 0) || !std::isfinite(ready[i])) {
      return InvalidArgument("tensor " + std::to_string(i) + " has " + std::to_string(counts[i]) +
                             " elements and is ready at " + std::to_string(ready[i]) +
                             " s: neither may be negative");
    }
  }
  PlanWishes wishes;
  wishes.plan = engine.plan == nullptr ? "" : engine.plan;
  wishes.chunk_bytes = engine.chunk_bytes;
  PlanTable table;
  DDL_RETURN_IF_ERROR(ChoosePlans(topology, links, wishes, &table));

  std::vector<Bucket> buckets = Fill(n, counts, ready, engine);
  std::vector<SimulatedCollective> collectives;
  for (Bucket& bucket : buckets) {
    const PlanSpec& spec = table.Find(bucket.count * kFloatBytes);
    bucket.plan = ToString(spec);
    SimulatedCollective collective;
    collective.start = bucket.start;
    collective.element_bytes = kFloatBytes;
    collective.plan = [&spec, &topology, count = bucket.count](int rank) {
      return MakePlan(spec, topology, rank, count, kFloatBytes);
    };
    collectives.push_back(std::move(collective));
  }
  SimulationOptions options;
  options.max_lanes = engine.max_lanes;
  options.shared_engine = cluster.shared_engine != 0;
  options.fold = engine.fold != 0;
  Simulation simulation;
  DDL_RETURN_IF_ERROR(Simulate(topology, links, collectives, options, &simulation));
  *end = simulation.seconds;
  *report = ReportText(buckets, simulation);
  return OkStatus();
}

}  // namespace

extern "C" int ddl_simulate(const ddl_cluster* cluster, const ddl_simulated_engine* engine,
                            int32_t n, const int64_t* counts, const double* ready, double* end,
                            char** report, char* error, size_t error_size) {
  std::string text;
  const Status status = SimulateStep(*cluster, *engine, n, counts, ready, end, &text);
  if (!status.ok()) {
    if (error != nullptr && error_size > 0) {
      std::snprintf(error, error_size, "%s", status.message().c_str());
    }
    return static_cast<int>(status.code());
  }
  *report = static_cast<char*>(std::malloc(text.size() + 1));
  if (*report != nullptr) std::memcpy(*report, text.c_str(), text.size() + 1);
  return 0;
}
