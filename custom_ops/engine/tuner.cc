#include "engine/tuner.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tf_ddl {
namespace {

// An alternative must be better than the setting so far by this part.
constexpr double kBetter = 0.05;
// Results that have not come after so many epochs do not come any more.
constexpr uint64_t kEpochsToWait = 4;

const char* const kNames[] = {"plan", "bucket_bytes", "chunk_bytes", "sockets"};

int64_t Value(const Setting& setting, int stage) {
  switch (stage) {
    case 0:
      return setting.plan;
    case 1:
      return setting.bucket_bytes;
    case 2:
      return setting.chunk_bytes;
    default:
      return setting.sockets;
  }
}

Setting With(Setting setting, int stage, int64_t value) {
  switch (stage) {
    case 0:
      setting.plan = static_cast<int>(value);
      break;
    case 1:
      setting.bucket_bytes = value;
      break;
    case 2:
      setting.chunk_bytes = value;
      break;
    default:
      setting.sockets = static_cast<int>(value);
  }
  return setting;
}

}  // namespace

Tuner::Tuner(const Setting& first, Space space) : space_(std::move(space)), best_(first) {
  BeginStage();
}

void Tuner::BeginStage() {
  again_ = false;
  for (; !finished(); ++stage_) {
    std::vector<int64_t> values;
    if (stage_ == 0) values.assign(space_.plans.begin(), space_.plans.end());
    if (stage_ == 1) values = space_.bucket_bytes;
    if (stage_ == 2) values = space_.chunk_bytes;
    if (stage_ == 3) values.assign(space_.sockets.begin(), space_.sockets.end());
    trials_.assign(1, {best_, 0, -1});
    issued_ = 0;
    for (int64_t value : values) {
      const Setting setting = With(best_, stage_, value);
      if (!(setting == best_)) trials_.push_back({setting, 0, -1});
    }
    if (trials_.size() > 1) return;
  }
}

Setting Tuner::For(uint64_t epoch) {
  if (finished()) return best_;
  if (issued_ == trials_.size()) EndStage(epoch);  // may begin the next
  if (finished() || issued_ == trials_.size()) return best_;
  trials_[issued_].epoch = epoch;
  return trials_[issued_++].setting;
}

void Tuner::Measured(uint64_t epoch, double seconds) {
  for (size_t i = 0; i < issued_; ++i) {
    if (trials_[i].epoch == epoch) trials_[i].seconds = seconds;
  }
}

void Tuner::EndStage(uint64_t epoch) {
  const bool all = std::all_of(trials_.begin(), trials_.end(),
                               [](const Trial& trial) { return trial.seconds >= 0; });
  if (!all && epoch < trials_.back().epoch + kEpochsToWait) return;  // wait for the rest
  const Trial* best = &trials_[0];
  for (const Trial& trial : trials_) {
    if (trial.seconds >= 0 && best->seconds >= 0 && trial.seconds < best->seconds) best = &trial;
  }
  const bool better = best != &trials_[0] && best->seconds < trials_[0].seconds * (1 - kBetter);
  if (better && !again_) {
    again_ = true;
    trials_ = {{trials_[0].setting, 0, -1}, {best->setting, 0, -1}};
    issued_ = 0;
    return;
  }
  if (better) Adopt(trials_[0], *best);
  ++stage_;
  BeginStage();
}

std::string Tuner::ValueText(const Setting& setting) const {
  const size_t plan = static_cast<size_t>(setting.plan);
  if (stage_ == 0 && plan < space_.plan_names.size()) return space_.plan_names[plan];
  return std::to_string(Value(setting, stage_));
}

void Tuner::Adopt(const Trial& before, const Trial& better) {
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, " (%.3f -> %.3f ms)", before.seconds * 1e3,
                better.seconds * 1e3);
  news_ += std::string(news_.empty() ? "" : ", ") + kNames[stage_] + " " +
           ValueText(before.setting) + " -> " + ValueText(better.setting) + seconds;
  best_ = better.setting;
}

std::string Tuner::TakeNews() { return std::exchange(news_, ""); }

}  // namespace tf_ddl
