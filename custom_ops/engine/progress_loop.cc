// Who drives: the progress thread, or a caller that lends its own.
#include <sched.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/own_cores.h"
#include "base/time.h"
#include "engine/progress_engine.h"

namespace tf_ddl {
namespace {

// How long the progress thread looks for more to do before it sleeps, with collectives in flight.
constexpr int64_t kSpinNanos = 20 * 1000;
// The same for a lent thread, which has nothing else to do.
constexpr int64_t kLentSpinNanos = 100 * 1000;
// After this long without news others that could use the core are let in.
constexpr int64_t kYieldNanos = 5 * 1000;
// How long a caller tries to get the right to drive.
constexpr int64_t kTakeOverNanos = 20 * 1000;
// So many more looks a lent thread takes at what peers send that are already a step further.
constexpr int kLastTurns = 4;

}  // namespace

// One look at everything. Returns whether anything moved.
bool ProgressEngine::Turn() {
  bool moved = DrainInbox();
  moved = communicator_->Poll() || moved;
  if (device_ != nullptr) moved = DrainDeviceEnds() || moved;
  if (!ending() && Clock::now() >= next_check_) CheckDeadlines();
  return moved;
}

// Threads that move data often sleep and wake up. Where two ranks' share a core, the rank that
// computes there is late in each step, and all others wait for it.
void ProgressEngine::KeepToOwnCores() {
  const Topology& topology = communicator_->topology();
  const std::vector<int>& ranks = topology.hosts[topology.HostOf()[rank_]].ranks;
  const auto own = std::find(ranks.begin(), ranks.end(), rank_);
  KeepToShareOfCores(static_cast<int>(own - ranks.begin()), static_cast<int>(ranks.size()));
}

void ProgressEngine::Run() {
  if (options_.own_cores) KeepToOwnCores();
  std::unique_lock<std::mutex> drive(drive_mutex_);
  int64_t last_moved = NowNanos();
  // Rank 0 that could not choose plans has failed before the first turn, and must confirm nothing.
  while (!ending()) {
    const bool moved = Turn();
    if (ending()) break;
    if (moved) {
      last_moved = NowNanos();
    } else if (in_flight_ == 0 || NowNanos() - last_moved > kSpinNanos) {
      if (!communicator_->PrepareSleep()) continue;
      const Deadline deadline = next_check_;  // of whoever drives
      drive.unlock();
      communicator_->Sleep(deadline);
      drive.lock();
      communicator_->AfterSleep();
    }
  }
  ended_ = true;
  FailEverything();
}

void ProgressEngine::WakeUnlessLent() {
  if (!lent_.load()) communicator_->Wake();
}

void ProgressEngine::Lend(const std::function<void()>& start,
                          const std::function<bool()>& finished) {
  std::unique_lock<std::mutex> drive(drive_mutex_, std::defer_lock);
  // With data on sockets the progress thread would be woken by each message all the same.
  if (communicator_->all_memory()) {
    const int64_t begin = NowNanos();
    while (!drive.try_lock() && NowNanos() - begin < kTakeOverNanos) sched_yield();
  }
  if (!drive.owns_lock() || ended_ || ending()) return start();
  communicator_->CancelSleep();
  lent_.store(true);
  communicator_->HoldBells(true);
  start();
  DriveUntil(finished);
  for (int i = 0; i < kLastTurns && in_flight_ == 0 && !ending() && Turn(); ++i) {
  }
  communicator_->HoldBells(false);
  lent_.store(false);
  // Whatever was submitted while lent_ was still seen, and whatever this thread leaves undone, is
  // the progress thread's.
  bool more = in_flight_ > 0 || ending() || !communicator_->PrepareSleep();
  if (!more) {
    std::lock_guard<std::mutex> lock(mutex_);
    more = !inbox_.empty() || !device_ends_.empty() || stop_ || !abort_request_.ok();
  }
  if (more) communicator_->Wake();
}

void ProgressEngine::DriveUntil(const std::function<bool()>& finished) {
  int64_t last_moved = NowNanos();
  while (!finished()) {
    const bool moved = Turn();
    if (ending()) return;
    if (moved) {
      last_moved = NowNanos();
      continue;
    }
    const int64_t idle = NowNanos() - last_moved;
    if (idle > kLentSpinNanos) return;
    if (idle > kYieldNanos) sched_yield();
  }
}

bool ProgressEngine::DrainInbox() {
  std::vector<Submission> submissions;
  Status abort;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    submissions.swap(inbox_);
    abort = abort_request_;
    goodbye_ = stop_;
  }
  for (Submission& submission : submissions) {
    if (submission.new_group != nullptr) {
      AddGroup(std::move(submission.new_group));
    } else {
      AddArrival(groups_.at(submission.group).get(), submission.index,
                 std::move(submission.arrival));
    }
  }
  if (!abort.ok()) Fail(abort);
  return !submissions.empty();
}

}  // namespace tf_ddl
