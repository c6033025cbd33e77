// When a collective on GPU memory is stuck, the rank whose deadline has passed asks all others for
// their last collectives before it fails the job: who is behind, and in what.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/time.h"
#include "engine/progress_engine.h"

namespace tf_ddl {
namespace {

constexpr double kAnswerSeconds = 2;
const char* const kAsk = "?";
// Ranks that are named in an error.
constexpr size_t kNamed = 4;

}  // namespace

// "started 12, finished 11" in the first line.
std::string ProgressEngine::OwnLast() const {
  std::string text = "started " + std::to_string(device_started_) + ", finished " +
                     std::to_string(device_ended_) + "\n";
  if (const DeviceTurn* next = device_order_.waiting()) {
    text += "next: " + DescribeTurn(*next) + "\n";
  }
  if (device_ != nullptr) text += device_->DescribeLast();
  return text;
}

void ProgressEngine::AskForLast(const Status& status) {
  if (Clock::now() < others_ask_until_) return;
  asked_ = std::make_unique<Asked>();
  asked_->why = status;
  asked_->until = DeadlineIn(kAnswerSeconds);
  asked_->answers.resize(size_);
  asked_->answers[rank_] = OwnLast();
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_) communicator_->SendControl(peer, ControlKind::kLast, kAsk);
  }
  next_check_ = asked_->until;
}

void ProgressEngine::OnLast(int peer, const std::string& payload) {
  if (payload == kAsk) {
    others_ask_until_ = DeadlineIn(2 * kAnswerSeconds);
    return communicator_->SendControl(peer, ControlKind::kLast, OwnLast());
  }
  if (asked_ == nullptr) return;
  asked_->answers[peer] = payload;
  if (std::none_of(asked_->answers.begin(), asked_->answers.end(),
                   [](const std::string& answer) { return answer.empty(); })) {
    next_check_ = Clock::now();
    asked_->until = next_check_;
  }
}

void ProgressEngine::CheckLast() {
  next_check_ = asked_->until;
  if (Clock::now() < asked_->until) return;
  std::string log, silent;
  std::vector<std::pair<int64_t, int>> by_started;  // and rank
  for (int rank = 0; rank < size_; ++rank) {
    const std::string& answer = asked_->answers[rank];
    const std::string who = RankText(rank) + " (" + communicator_->HostOf(rank) + ")";
    if (answer.empty()) {
      silent += (silent.empty() ? "" : ", ") + who;
      log += "\n" + who + " does not answer";
      continue;
    }
    log += "\n" + who + ": " + answer;
    int64_t started = 0;
    std::sscanf(answer.c_str(), "started %" SCNd64, &started);
    by_started.push_back({started, rank});
  }
  DDL_LOG(kError) << "the last collectives on GPUs:" << log;
  std::sort(by_started.begin(), by_started.end());
  std::string text;
  if (!silent.empty()) text += "; " + silent + " did not say what it does";
  const int64_t most = by_started.back().first;
  size_t behind = 0;
  for (const auto& [started, rank] : by_started) {
    if (started == most || ++behind > kNamed) break;
    text += "; " + RankText(rank) + " (" + communicator_->HostOf(rank) +
            ") is behind: " + std::to_string(started) + " of " + std::to_string(most) +
            " collectives started";
  }
  if (text.empty()) {
    text = "; all ranks have started the same " + std::to_string(most) + " collectives";
  }
  const Status why = asked_->why;
  Fail(Status(why.code(), why.message() + text + " (all of them in this rank's log)"));
}

}  // namespace tf_ddl
