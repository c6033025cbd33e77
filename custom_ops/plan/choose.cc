#include "plan/choose.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plan/cost.h"
#include "plan/options.h"

namespace tf_ddl {
namespace {

constexpr int64_t kUsualChunk = 512 << 10;
constexpr int64_t kSmallestChunk = 64 << 10;
// Where all memory is read in place: everything to everybody up to here, for up to 4 ranks; what
// each rank reads grows with their number.
constexpr int64_t kDirectBytes = 16 << 10;
constexpr int kDirectRanks = 4;
// Sizes at which plans are compared, two for each doubling.
constexpr double kSmallest = 4;
constexpr double kLargest = 2e9;
// A plan stays in use for larger buckets until another one is better by this part; chunks are as
// large as they can be without losing more.
constexpr double kBetter = 0.02;
// Predictions that differ by less are equal.
constexpr double kEqual = 0.01;

struct Chosen {
  const Option* option = nullptr;
  int64_t chunk_bytes = 0;
  double seconds = 0;
  bool SameAs(const Chosen& other) const {
    return option == other.option && chunk_bytes == other.chunk_bytes;
  }
};

double Predict(const CostModel& model, const Option& option, int64_t chunk, int64_t bytes) {
  PlanSpec spec = option.spec;
  spec.chunk_bytes = chunk;
  return model.Seconds(spec, option.costs, bytes);
}

// The option with the chunk size that suits it best: the largest that is nearly as good as any.
Chosen BestChunk(const CostModel& model, const Option& option, const PlanWishes& wishes,
                 int64_t bytes) {
  Chosen best;
  best.option = &option;
  if (wishes.chunk_bytes > 0 || wishes.all_pull) {
    // Chunks of the usual size stay in the caches while they are read in place.
    best.chunk_bytes = wishes.chunk_bytes > 0 ? wishes.chunk_bytes : kUsualChunk;
    best.seconds = Predict(model, option, best.chunk_bytes, bytes);
    return best;
  }
  std::vector<Chosen> sizes;
  for (int64_t chunk = kUsualChunk; chunk >= kSmallestChunk; chunk /= 2) {
    sizes.push_back({&option, chunk, Predict(model, option, chunk, bytes)});
  }
  const auto fastest =
      std::min_element(sizes.begin(), sizes.end(),
                       [](const Chosen& a, const Chosen& b) { return a.seconds < b.seconds; });
  return *std::find_if(sizes.begin(), sizes.end(), [&](const Chosen& chosen) {
    return chosen.seconds <= fastest->seconds * (1 + kBetter);
  });
}

// The first option that is nearly as fast as the fastest: options stand in order of preference.
Chosen Best(const CostModel& model, const std::vector<Option>& options, const PlanWishes& wishes,
            int64_t bytes) {
  std::vector<Chosen> all;
  for (const Option& option : options) all.push_back(BestChunk(model, option, wishes, bytes));
  double fastest = all[0].seconds;
  for (const Chosen& chosen : all) fastest = std::min(fastest, chosen.seconds);
  return *std::find_if(all.begin(), all.end(), [&](const Chosen& chosen) {
    return chosen.seconds <= fastest * (1 + kEqual);
  });
}

PlanSpec SpecOf(const Chosen& chosen) {
  PlanSpec spec = chosen.option->spec;
  spec.chunk_bytes = chosen.chunk_bytes;
  return spec;
}

// Whether the choice was made by measurement once and for all.
bool ByRule(const Topology& topology, const PlanWishes& wishes) {
  return wishes.all_pull && wishes.plan.empty() && topology.OnOneHost() && topology.size() > 1;
}

int64_t DirectUpTo(const Topology& topology) {
  return kDirectBytes * kDirectRanks / std::max(kDirectRanks, topology.size());
}

Status Prepare(const Topology& topology, const LinkModel& links, const PlanWishes& wishes) {
  DDL_RETURN_IF_ERROR(Validate(topology));
  DDL_RETURN_IF_ERROR(Validate(links, topology));
  if (wishes.chunk_bytes < 0) {
    return InvalidArgument("chunk_bytes is " + std::to_string(wishes.chunk_bytes) +
                           ", it should be above 0, or 0 for one that is chosen");
  }
  if (wishes.all_pull && !topology.OnOneHost()) {
    return InvalidArgument("memory of " + std::to_string(topology.hosts.size()) +
                           " hosts cannot be read in place");
  }
  return OkStatus();
}

}  // namespace

std::vector<Candidate> Candidates(const Topology& topology, const LinkModel& links, int64_t bytes,
                                  const PlanWishes& wishes) {
  std::vector<Candidate> candidates;
  if (!Prepare(topology, links, wishes).ok()) return candidates;
  const CostModel model(topology, links);
  std::vector<Option> options;
  if (!MakeOptions(model, wishes, &options).ok()) return candidates;
  for (const Option& option : options) {
    const Chosen chosen = BestChunk(model, option, wishes, bytes);
    candidates.push_back({SpecOf(chosen), chosen.seconds});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.seconds < b.seconds; });
  if (ByRule(topology, wishes)) {
    const char* first = bytes <= DirectUpTo(topology) ? "direct" : "pairwise";
    std::stable_partition(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
      return candidate.spec.colours[0].algorithm == first;
    });
  }
  return candidates;
}

Status ChoosePlans(const Topology& topology, const LinkModel& links, const PlanWishes& wishes,
                   PlanTable* table) {
  DDL_RETURN_IF_ERROR(Prepare(topology, links, wishes));
  const CostModel model(topology, links);
  std::vector<Option> options;
  DDL_RETURN_IF_ERROR(MakeOptions(model, wishes, &options));
  constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
  table->entries.clear();
  if (ByRule(topology, wishes)) {
    PlanSpec direct, pairwise;
    direct.chunk_bytes = pairwise.chunk_bytes =
        wishes.chunk_bytes > 0 ? wishes.chunk_bytes : kUsualChunk;
    direct.colours.resize(1);
    direct.colours[0].algorithm = "direct";
    pairwise.colours.resize(1);
    pairwise.colours[0].algorithm = "pairwise";
    table->entries = {{DirectUpTo(topology), direct}, {kAll, pairwise}};
    return OkStatus();
  }
  Chosen current = Best(model, options, wishes, static_cast<int64_t>(kSmallest));
  double last = kSmallest;
  for (double size = kSmallest; size <= kLargest; size *= std::sqrt(2.0)) {
    const int64_t bytes = static_cast<int64_t>(size);
    Chosen best = Best(model, options, wishes, bytes);
    const Chosen same = BestChunk(model, *current.option, wishes, bytes);
    if (same.seconds <= best.seconds * (1 + kBetter)) best = same;
    const auto time_of = [&](const Chosen& chosen, double at) {
      return Predict(model, *chosen.option, chosen.chunk_bytes, static_cast<int64_t>(at));
    };
    if (!best.SameAs(current)) {
      // Where they change places, between the last size and this one.
      double low = last, high = size;
      for (int i = 0; i < 6; ++i) {
        const double middle = std::sqrt(low * high);
        (time_of(current, middle) <= time_of(best, middle) ? low : high) = middle;
      }
      table->entries.push_back({static_cast<int64_t>(low), SpecOf(current)});
      current = best;
    }
    last = size;
  }
  table->entries.push_back({kAll, SpecOf(current)});
  return OkStatus();
}

}  // namespace tf_ddl
