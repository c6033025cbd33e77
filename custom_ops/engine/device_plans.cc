#include "engine/device_plans.h"

#include <algorithm>
#include <utility>

namespace tf_ddl {
namespace {

constexpr size_t kTried = 4;
constexpr size_t kKeptSizes = 1024;
constexpr int64_t kAskedBytes = 64 << 20;
const char* const kGrid = "grid";

bool WishesGrid(const EngineOptions& options) { return options.plan.rfind(kGrid, 0) == 0; }

// "4x2", as in DDL_PLAN=grid:4x2.
std::string Lengths(const DevicePlan& plan) {
  std::string text;
  for (int length : plan.grid) text += (text.empty() ? "" : "x") + std::to_string(length);
  return text;
}

bool Allowed(const DevicePlan& plan, const EngineOptions& options) {
  if (!WishesGrid(options)) return true;
  return !plan.grid.empty() && (options.plan == kGrid || options.plan == "grid:" + Lengths(plan));
}

}  // namespace

std::string NameOf(const DevicePlan& plan) { return "gpu " + ToString(plan); }

Status DevicePlans::CheckWishes() const {
  if (!WishesGrid(options_)) return OkStatus();
  std::string offered;
  for (const DevicePlan& plan : device_->Plans(kAskedBytes)) {
    if (Allowed(plan, options_)) return OkStatus();
    offered += (offered.empty() ? "" : "; ") + ToString(plan);
  }
  return InvalidArgument("DDL_PLAN=" + options_.plan + " is not possible for buckets in GPU " +
                         "memory; there are: " + offered +
                         ". Choose one of them, or DDL_GPU_REDUCTION=host");
}

std::vector<DevicePlan> DevicePlans::Candidates(int64_t bytes) const {
  std::vector<DevicePlan> plans;
  for (DevicePlan& plan : device_->Plans(bytes)) {
    if (!Allowed(plan, options_)) continue;
    if (!plan.grid.empty() && options_.chunk_bytes > 0) plan.chunk_bytes = options_.chunk_bytes;
    const auto same = [&plan](const DevicePlan& other) {
      return other.grid == plan.grid && other.chunk_bytes == plan.chunk_bytes;
    };
    if (std::none_of(plans.begin(), plans.end(), same)) plans.push_back(std::move(plan));
  }
  if (plans.empty()) plans.emplace_back();  // flat is always possible
  if (options_.deterministic) {             // predictions rest on measurements
    std::stable_sort(plans.begin(), plans.end(), [](const DevicePlan& a, const DevicePlan& b) {
      return std::make_pair(a.grid, a.chunk_bytes) < std::make_pair(b.grid, b.chunk_bytes);
    });
    plans.resize(1);
  }
  if (plans.size() > kTried) plans.resize(kTried);
  return plans;
}

const DevicePlan& DevicePlans::First(int64_t bytes) {
  if (first_.size() > kKeptSizes) first_.clear();
  const auto [found, is_new] = first_.try_emplace(bytes);
  if (is_new) found->second = Candidates(bytes).front();
  return found->second;
}

}  // namespace tf_ddl
