#include "nccl/comm_set.h"

#include <condition_variable>
#include <cstring>
#include <thread>

namespace tf_ddl {
namespace {

constexpr double kPoll = 0.0005;

std::string Seconds(double seconds) {
  std::string text = std::to_string(seconds);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

}  // namespace

CommSet::CommSet(std::shared_ptr<Device> device, const NcclOptions& options,
                 const Topology& topology, Gate* gate)
    : device_(std::move(device)),
      nccl_(device_->libraries().nccl()),
      options_(options),
      topology_(topology),
      gate_(gate) {}

Status CommSet::Check(NcclResult result, const char* call) const {
  if (result == kNcclSuccess) return OkStatus();
  std::string text = std::string(call) + " failed: " + nccl_.get_error_string(result);
  const char* last = nccl_.get_last_error(nullptr);
  if (last != nullptr && *last != '\0') text += " (" + std::string(last) + ")";
  if (result == kNcclRemoteError) return Unavailable(text);
  return Internal(text + "; NCCL_DEBUG=WARN says more");
}

bool CommSet::Register(NcclComm comm) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!aborted_) {
      all_.push_back(comm);
      return true;
    }
  }
  // From a call that came back after Abort had left it behind.
  nccl_.comm_abort(comm);
  return false;
}

int CommSet::count() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(all_.size());
}

Status CommSet::WaitFor(NcclComm comm, Deadline deadline, const std::string& what) {
  for (;;) {
    NcclResult state = kNcclSuccess;
    DDL_RETURN_IF_ERROR(Check(nccl_.comm_get_async_error(comm, &state), "ncclCommGetAsyncError"));
    if (state != kNcclInProgress) return Check(state, what.c_str());
    DDL_RETURN_IF_ERROR(KeepWaiting(deadline, what));
  }
}

Status CommSet::KeepWaiting(Deadline deadline, const std::string& what) {
  if (!set_up_ && options_.give_up) DDL_RETURN_IF_ERROR(options_.give_up());
  if (Clock::now() >= deadline) {
    return DeadlineExceeded(what + ": not all of the " + std::to_string(options_.size) +
                            " ranks have come within " + Seconds(options_.init_seconds));
  }
  if (!gate_->Pause(kPoll)) return Cancelled(what + ": aborted");
  return OkStatus();
}

Status CommSet::Init() {
  NcclUniqueId id;
  std::memcpy(id.bytes, options_.unique_id.data(), sizeof id.bytes);
  NcclConfig config;
  config.blocking = 0;
  const Deadline deadline = DeadlineIn(options_.init_seconds);
  const NcclResult result =
      nccl_.comm_init_rank_config(&root_, options_.size, id, options_.rank, &config);
  if (root_ != nullptr && !Register(root_)) return Cancelled("ncclCommInitRankConfig: aborted");
  if (result != kNcclInProgress) DDL_RETURN_IF_ERROR(Check(result, "ncclCommInitRankConfig"));
  DDL_RETURN_IF_ERROR(WaitFor(root_, deadline, "ncclCommInitRankConfig"));
  flat_ = root_;
  if (options_.blocking_launches) {
    // Ranks keep their numbers.
    DDL_RETURN_IF_ERROR(Split(0, options_.rank, "ncclCommSplit", &flat_));
  }
  return OkStatus();
}

Status CommSet::Split(int color, int key, const std::string& what, NcclComm* comm) {
  NcclConfig config;
  config.blocking = options_.blocking_launches ? 1 : 0;
  // Written by NCCL when the split has ended, perhaps after we have given up waiting.
  splits_.push_back(std::make_unique<NcclComm>(nullptr));
  NcclComm* const made = splits_.back().get();
  const NcclResult result = nccl_.comm_split(root_, color, key, made, &config);
  if (result != kNcclInProgress) DDL_RETURN_IF_ERROR(Check(result, what.c_str()));
  DDL_RETURN_IF_ERROR(WaitFor(root_, DeadlineIn(options_.init_seconds), what));
  *comm = *made;
  if (*comm == nullptr) return Internal(what + ": NCCL made no communicator");
  if (!Register(*comm)) return Cancelled(what + ": aborted");
  return WaitFor(*comm, DeadlineIn(options_.init_seconds), what);
}

Status CommSet::Lines(const DevicePlan& plan, std::vector<NcclComm>* lines) {
  const auto found = lines_.find(plan.grid);
  if (found != lines_.end()) {
    *lines = found->second;
    return OkStatus();
  }
  std::vector<NcclComm> made;
  const std::vector<GridPlace> places = GridPlaces(plan, topology_, options_.rank);
  for (size_t d = 0; d < places.size(); ++d) {
    NcclComm comm = nullptr;
    DDL_RETURN_IF_ERROR(
        Split(places[d].line, places[d].place,
              "ncclCommSplit for dimension " + std::to_string(d) + " of " + ToString(plan), &comm));
    made.push_back(comm);
  }
  lines_[plan.grid] = made;
  *lines = std::move(made);
  return OkStatus();
}

Status CommSet::Settle(NcclResult result, NcclComm comm, const char* call) {
  if (result != kNcclInProgress) return Check(result, call);
  for (double pause = 5e-6;; pause = pause < kPoll ? 2 * pause : kPoll) {
    NcclResult state = kNcclSuccess;
    DDL_RETURN_IF_ERROR(Check(nccl_.comm_get_async_error(comm, &state), "ncclCommGetAsyncError"));
    if (state != kNcclInProgress) return Check(state, call);
    if (!gate_->Pause(pause)) return Cancelled(std::string(call) + ": aborted");
  }
}

Status CommSet::AsyncError() const {
  std::vector<NcclComm> all;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (aborted_) return OkStatus();
    all = all_;
  }
  for (const NcclComm comm : all) {
    NcclResult state = kNcclSuccess;
    DDL_RETURN_IF_ERROR(Check(nccl_.comm_get_async_error(comm, &state), "ncclCommGetAsyncError"));
    if (state != kNcclSuccess && state != kNcclInProgress) {
      return Check(state, "a collective");
    }
  }
  return OkStatus();
}

bool CommSet::Abort(double seconds) {
  struct Left {
    std::mutex mutex;
    std::condition_variable changed;
    size_t count = 0;
  };
  const auto left = std::make_shared<Left>();
  std::vector<NcclComm> all;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    aborted_ = true;
    all.swap(all_);
  }
  left->count = all.size();
  // All at once: one may wait for what is stuck in another.
  for (const NcclComm comm : all) {
    std::thread([self = shared_from_this(), left, comm] {
      self->nccl_.comm_abort(comm);
      std::lock_guard<std::mutex> lock(left->mutex);
      --left->count;
      left->changed.notify_all();
    }).detach();
  }
  std::unique_lock<std::mutex> lock(left->mutex);
  return left->changed.wait_for(lock, std::chrono::duration<double>(seconds),
                                [&] { return left->count == 0; });
}

Status CommSet::Finalize(double seconds) {
  std::vector<NcclComm> all;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    all = all_;
  }
  const Deadline deadline = DeadlineIn(seconds);
  // Children before the one they were split from.
  for (size_t i = all.size(); i-- > 0;) {
    const NcclResult result = nccl_.comm_finalize(all[i]);
    if (result != kNcclInProgress) DDL_RETURN_IF_ERROR(Check(result, "ncclCommFinalize"));
    DDL_RETURN_IF_ERROR(WaitFor(all[i], deadline, "ncclCommFinalize"));
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (aborted_) return Cancelled("ncclCommDestroy: aborted");
      all_.pop_back();
    }
    DDL_RETURN_IF_ERROR(Check(nccl_.comm_destroy(all[i]), "ncclCommDestroy"));
  }
  return OkStatus();
}

}  // namespace tf_ddl
