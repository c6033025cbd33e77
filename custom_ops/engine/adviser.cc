#include "engine/adviser.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

#include "base/median.h"
#include "plan/cost.h"

namespace tf_ddl {
namespace {

// Plans that the model thinks slower than the best by more than this are not tried.
constexpr double kWorthTrying = 1.5;
constexpr size_t kPlansTried = 2;
constexpr int64_t kMostTimes = 4;  // the largest bucket tried, in units of the first
constexpr double kFollow = 0.3;    // how fast corrections follow what is measured
// Reports that have not come after so many epochs do not come any more.
constexpr uint64_t kPatience = 4;
// A rank is slow if the others wait for it this long in a call, and this part of it.
constexpr double kSlowSeconds = 0.005;
constexpr double kSlowPart = 0.2;

// What corrections go by: the algorithm of the first colour.
std::string Kind(const PlanSpec& spec) {
  return spec.colours[0].algorithm + " x" + std::to_string(spec.colours.size());
}

// What stays the same of a plan when sizes and the model change.
std::string NameOf(const PlanSpec& spec) {
  std::string name;
  for (const Colour& colour : spec.colours) {
    name += colour.algorithm + " " + GridText(colour.grid) + " rail " +
            std::to_string(colour.rail) + "; ";
  }
  return name;
}

bool SameTable(const PlanTable& a, const PlanTable& b) { return Serialize(a) == Serialize(b); }

}  // namespace

Adviser::Adviser(const Communicator* communicator, const EngineOptions& options, PlanBook* book)
    : communicator_(communicator),
      options_(options),
      book_(book),
      watch_(communicator->topology(),
             options.deterministic
                 ? UsualLinks(static_cast<int>(communicator->topology().rails.size()))
                 : communicator->links()) {}

PlanWishes Adviser::Wishes(int64_t chunk_bytes) const {
  PlanWishes wishes;
  wishes.plan = options_.plan;
  wishes.chunk_bytes = chunk_bytes > 0 ? chunk_bytes : options_.chunk_bytes;
  wishes.all_pull = communicator_->all_pull() && communicator_->topology().OnOneHost();
  return wishes;
}

Status Adviser::ChooseFirst() {
  PlanTable table;
  DDL_RETURN_IF_ERROR(ChoosePlans(book_->topology(), watch_.model(), Wishes(0), &table));
  return book_->Add(0, std::move(table));
}

std::vector<Candidate> Adviser::Ranked(int64_t bytes, int64_t chunk_bytes) const {
  std::vector<Candidate> ranked =
      Candidates(book_->topology(), watch_.model(), bytes, Wishes(chunk_bytes));
  if (corrections_.empty() || by_rule()) return ranked;
  // Plans that were never measured are taken to be off like the usual one of those that were.
  std::vector<double> known;
  for (const auto& entry : corrections_) known.push_back(entry.second);
  const double usual = Median(known);
  for (Candidate& candidate : ranked) {
    const auto found = corrections_.find(Kind(candidate.spec));
    candidate.seconds *= found == corrections_.end() ? usual : found->second;
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Candidate& a, const Candidate& b) { return a.seconds < b.seconds; });
  return ranked;
}

// Sizes to try besides the first.
std::vector<int64_t> Adviser::BucketSizes(const std::vector<int64_t>& tensor_bytes,
                                          int64_t first) const {
  std::vector<int64_t> sizes;
  // Tensors are not cut, so bucket sizes matter only where several fit into one.
  const bool one_by_one =
      *std::min_element(tensor_bytes.begin(), tensor_bytes.end()) >= first * kMostTimes;
  if (!options_.tune_buckets || tensor_bytes.size() == 1 || one_by_one) return sizes;
  const int64_t all = std::accumulate(tensor_bytes.begin(), tensor_bytes.end(), int64_t{0});
  for (int64_t bytes : {first / 2, first * 2, first * kMostTimes}) {
    // The next size after the first that holds everything would change nothing.
    if (bytes > 0 && bytes < all * 2) sizes.push_back(bytes);
  }
  return sizes;
}

void Adviser::MakeDeviceTuner(const std::vector<int64_t>& tensor_bytes, const DevicePlans& device,
                              GroupState* state) const {
  const int64_t all = std::accumulate(tensor_bytes.begin(), tensor_bytes.end(), int64_t{0});
  Setting first;
  first.bucket_bytes = options_.BucketBytes(true);
  Tuner::Space space;
  state->device_plans = device.Candidates(std::min(first.bucket_bytes, all));
  for (size_t i = 0; i < state->device_plans.size(); ++i) {
    space.plan_names.push_back(ToString(state->device_plans[i]));
    if (i > 0) space.plans.push_back(static_cast<int>(i));
  }
  space.bucket_bytes = BucketSizes(tensor_bytes, first.bucket_bytes);
  state->tuner = std::make_unique<Tuner>(first, std::move(space));
}

void Adviser::MakeTuner(const std::vector<int64_t>& tensor_bytes, GroupState* state) const {
  const int64_t group_bytes = std::accumulate(tensor_bytes.begin(), tensor_bytes.end(), int64_t{0});
  Setting first;
  first.bucket_bytes = options_.bucket_bytes;
  Tuner::Space space;
  if (options_.plan.empty()) {
    const auto ranked = Ranked(std::min(first.bucket_bytes, group_bytes), 0);
    for (size_t i = 0; i < ranked.size() && state->plans.size() <= kPlansTried; ++i) {
      if (i > 0 && ranked[i].seconds > ranked[0].seconds * kWorthTrying) continue;
      if (i > 0) space.plans.push_back(static_cast<int>(state->plans.size()));
      state->plans.push_back(NameOf(ranked[i].spec));
    }
  }
  space.bucket_bytes = BucketSizes(tensor_bytes, first.bucket_bytes);
  if (options_.chunk_bytes == 0) space.chunk_bytes = {256 << 10, 1 << 20};
  first.sockets = 1;
  for (int n = 2; n <= communicator_->max_sockets(); ++n) space.sockets.push_back(n);
  space.plan_names = state->plans;
  state->tuner = std::make_unique<Tuner>(first, std::move(space));
}

int Adviser::VersionFor(const GroupState& state, const Setting& setting) {
  const std::string plan = state.plans.empty() ? "" : state.plans[setting.plan];
  const auto key = std::make_tuple(model_number_, plan, setting.bucket_bytes, setting.chunk_bytes);
  const auto known = versions_.find(key);
  if (known != versions_.end()) return known->second;
  PlanTable table;
  if (!ChoosePlans(book_->topology(), watch_.model(), Wishes(setting.chunk_bytes), &table).ok()) {
    return versions_[key] = book_->newest();  // what was possible at the start still is
  }
  const auto ranked = Ranked(setting.bucket_bytes, setting.chunk_bytes);
  if (!plan.empty() && !ranked.empty()) {
    // The plan that was tried, unless links have changed so much that it is out of the question.
    const auto tried = std::find_if(ranked.begin(), ranked.end(), [&](const Candidate& candidate) {
      return NameOf(candidate.spec) == plan;
    });
    const bool keep = tried != ranked.end() && tried->seconds <= ranked[0].seconds * kWorthTrying;
    for (PlanTable::Entry& entry : table.entries) {
      if (entry.up_to_bytes < setting.bucket_bytes) continue;
      entry.spec = keep ? tried->spec : ranked[0].spec;
      break;
    }
  }
  for (int version = book_->newest(); version >= 0; --version) {
    if (SameTable(book_->table(version), table)) return versions_[key] = version;
  }
  const int version = book_->newest() + 1;
  const Status status = book_->Add(version, std::move(table));
  return versions_[key] = status.ok() ? version : book_->newest();
}

void Adviser::Take(int rank, const Report& report) {
  // Of one rank the times follow each other, of the ranks of a host they are the same time.
  std::vector<RailReport>& rails = rails_[rank];
  rails.resize(std::max(rails.size(), report.rails.size()));
  for (size_t rail = 0; rail < report.rails.size(); ++rail) {
    RailReport& sum = rails[rail];
    const RailReport& more = report.rails[rail];
    if (sum.bytes == 0) {
      sum = more;
      continue;
    }
    // Of two rates the mean by time, if both are known.
    const bool known = sum.precise > 0 && more.precise > 0;
    sum.precise =
        known ? (sum.bytes + more.bytes) / (sum.bytes / sum.precise + more.bytes / more.precise)
              : 0;
    sum.bytes += more.bytes;
    sum.seconds += more.seconds;
  }
  groups_[report.group].reports[report.epoch][rank] = report;
}

void Adviser::BucketTook(int version, int64_t bytes, double seconds) {
  if (!options_.autotune || by_rule() || bytes < options_.first_bucket_bytes ||
      !book_->Has(version)) {
    return;
  }
  const PlanSpec& spec = book_->table(version).Find(bytes);
  const auto [known, is_first] = predicted_.try_emplace({version, bytes}, 0);
  if (is_first) {
    known->second = PredictSeconds(spec, book_->topology(), watch_.model(), bytes);
  }
  const double predicted = known->second;
  if (predicted <= 0) return;
  const auto [found, is_new] = corrections_.try_emplace(Kind(spec), seconds / predicted);
  if (!is_new) found->second += (seconds / predicted - found->second) * kFollow;
}

Advice Adviser::For(uint64_t group, const std::vector<int64_t>& tensor_bytes, uint64_t epoch,
                    const DevicePlans* device) {
  GroupState& state = groups_[group];
  if (state.tuner == nullptr && device != nullptr) MakeDeviceTuner(tensor_bytes, *device, &state);
  if (state.tuner == nullptr) MakeTuner(tensor_bytes, &state);
  const std::vector<int> host_of = book_->topology().HostOf();
  for (const auto& [rank, rails] : std::exchange(rails_, {})) watch_.Add(host_of[rank], rails);

  if (watch_.Update()) {
    ++model_number_;
    predicted_.clear();
  }
  for (std::string& text : watch_.TakeNews()) {
    news_.push_back(std::move(text) + "; plans are made for that from now on");
  }
  for (auto it = state.reports.begin(); it != state.reports.end() && it->first < epoch;) {
    const auto& [reported, by_rank] = *it;
    const bool all = by_rank.size() == static_cast<size_t>(communicator_->size());
    if (!all && reported + kPatience > epoch) {  // the others' may be on their way
      ++it;
      continue;
    }
    double sum = 0;
    for (const auto& entry : by_rank) sum += entry.second.exposed;
    state.tuner->Measured(reported, sum / static_cast<double>(by_rank.size()));
    if (all) LookForSlowRank(by_rank, &state);
    it = state.reports.erase(it);
  }
  const Setting setting = state.tuner->For(epoch);
  const std::string tuned = state.tuner->TakeNews();
  if (!tuned.empty()) news_.push_back("tuned: " + tuned);
  Advice advice;
  advice.bucket_bytes = setting.bucket_bytes;
  if (device != nullptr) {
    advice.plans = book_->newest();
    advice.sockets = kSocketsAsTheyAre;
    advice.has_device_plan = !state.device_plans.empty();
    if (advice.has_device_plan) advice.device_plan = state.device_plans[setting.plan];
  } else {
    advice.plans = VersionFor(state, setting);
    advice.sockets = setting.sockets;
  }
  return advice;
}

// Whoever comes last finds the others ready: its own waiting is the shortest.
void Adviser::LookForSlowRank(const std::map<int, Report>& by_rank, GroupState* state) {
  const auto last = std::min_element(
      by_rank.begin(), by_rank.end(),
      [](const auto& a, const auto& b) { return a.second.exposed < b.second.exposed; });
  std::vector<double> others, wholes;
  for (const auto& [rank, report] : by_rank) {
    if (rank == last->first) continue;
    others.push_back(report.exposed);
    wholes.push_back(report.whole);
  }
  if (others.empty()) return;
  const double waited = Median(others) - last->second.exposed;
  const double whole = Median(wholes);
  const bool slow = waited > kSlowSeconds && waited > kSlowPart * whole;
  const int before = std::exchange(state->slowest, slow ? last->first : -1);
  if (!slow || before != last->first || state->told_slow == last->first) return;
  state->told_slow = last->first;
  char text[96];
  std::snprintf(text, sizeof text, "the others wait %.0f ms of each call of %.0f ms for it",
                waited * 1e3, whole * 1e3);
  news_.push_back("rank " + std::to_string(last->first) + " (host " +
                  communicator_->HostOf(last->first) + ") is slow: " + text);
}

std::vector<std::string> Adviser::TakeNews() { return std::exchange(news_, {}); }

}  // namespace tf_ddl
