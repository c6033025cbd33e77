// The progress thread's watch over waits, and what happens when the job fails.
#include <string>
#include <utility>

#include "base/log.h"
#include "base/time.h"
#include "engine/progress_engine.h"

namespace tf_ddl {
namespace {

// How often deadlines are looked at.
constexpr double kCheckSeconds = 0.5;

}  // namespace

void ProgressEngine::OnFailure(int, const Status& status) { Fail(status); }

void ProgressEngine::CheckDeadlines() {
  if (asked_ != nullptr) return CheckLast();
  const auto now = Clock::now();
  next_check_ = DeadlineIn(kCheckSeconds);
  for (const auto& entry : groups_) {
    const Group& group = *entry.second;
    for (const auto& call : group.calls()) {
      const double age = std::chrono::duration<double>(now - call->first_arrival).count();
      if (age > options_.timeout) {
        const Status status = DeadlineExceeded(
            RankText(rank_) + " (" + communicator_->HostOf(rank_) + ") waited " +
            std::to_string(static_cast<int64_t>(age)) + " s: " + DescribeWait(group, *call) +
            ". Raise DDL_TIMEOUT if a step may take that long");
        return group.spec().device ? AskForLast(status) : Fail(status);
      }
      if (age > options_.stall_warning && !call->warned) {
        call->warned = true;
        DDL_LOG(kWarning) << "no progress for " << static_cast<int64_t>(age)
                          << " s: " << DescribeWait(group, *call);
      }
      if (group.spec().device) CheckDeviceLeft(group, *call);
      if (!failure_.ok()) return;
      if (group.agreed() && !group.waits_for_rank0()) continue;
      for (int peer = 0; peer < size_; ++peer) {  // only rank 0 can lift these waits
        if (left_[peer] && (peer == 0 || rank_ == 0)) {
          return Fail(Unavailable(RankText(peer) + " (" + communicator_->HostOf(peer) +
                                  ") has left the job: its program ended while " + RankText(rank_) +
                                  " waits in " + ToString(group.spec().tensors[0])));
        }
      }
    }
  }
}

std::string ProgressEngine::DescribeWait(const Group& group, const Call& call) const {
  const std::string site = std::string(NameOf(group.spec().kind)) + " of " +
                           ToString(group.spec().tensors[0]) + " ('" + group.spec().key + "')";
  const std::string missing = group.DescribeMissing(call);
  if (!missing.empty()) return site + " has not been given " + missing + " on this rank";
  if (!group.agreed()) {
    return site + " has not been reached by " +
           (rank_ == 0 ? agreement_.Missing(group.sequence()) : "every rank, says rank 0");
  }
  if (call.layout == nullptr) {
    return site + " waits for what " +
           (rank_ == 0 ? std::string("an earlier call teaches") : "rank 0 has to say") +
           " of its buckets and plans";
  }
  if (group.spec().device) return site + " " + DescribeDeviceWait(group, call);
  return site + " waits for " + communicator_->DescribeWaiting();
}

void ProgressEngine::Fail(const Status& status) {
  if (failure_.ok()) failure_ = status;
}

// The end of the progress thread: whatever waits is told why, then the peers are.
void ProgressEngine::FailEverything() {
  const bool failed = !failure_.ok();
  if (!failed) failure_ = FailedPrecondition("tf_ddl has been shut down on " + RankText(rank_));
  std::vector<Submission> submissions;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    health_ = failure_;
    submissions.swap(inbox_);
  }
  communicator_->Close(failed ? failure_ : OkStatus());
  for (auto& entry : groups_) {
    for (const auto& call : entry.second->calls()) {
      for (TensorArrival& arrival : call->arrivals) {
        if (arrival.done) std::exchange(arrival.done, nullptr)(failure_);
      }
    }
  }
  for (Submission& submission : submissions) {
    if (submission.arrival.done) submission.arrival.done(failure_);
  }
  bool running;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    running = device_running_ > 0;
  }
  // Last, since it may take two seconds: the peers know by now.
  if (device_ != nullptr && (failed || running)) device_->Abort(failure_);
}

}  // namespace tf_ddl
