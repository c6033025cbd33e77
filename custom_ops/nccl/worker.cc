#include "nccl/worker.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/time.h"
#include "plan/words.h"

namespace tf_ddl {
namespace {

constexpr size_t kHistory = 32;
constexpr double kFinalizeSeconds = 3;
// Together less than the two seconds of an Abort.
constexpr double kGateSeconds = 0.3;    // for a call to come back from the library
constexpr double kAbortSeconds = 1.0;   // for NCCL to abort
constexpr double kDeviceSeconds = 0.3;  // for the GPU to end what it does
constexpr double kDrainSeconds = 1.9;   // what Abort waits for all that
constexpr int64_t kCheckNanos = 20000000;

std::string SecondsText(int64_t nanos) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", 1e-9 * static_cast<double>(nanos));
  return text;
}

}  // namespace

Worker::Worker(std::shared_ptr<Device> device, const NcclOptions& options, Topology topology)
    : device_(std::move(device)),
      options_(options),
      topology_(std::move(topology)),
      comms_(std::make_shared<CommSet>(device_, options_, topology_, &gate_)),
      launcher_(device_, comms_, topology_, options_.links, options_.rank, &gate_) {}

Status Worker::Where(const Status& status) const {
  std::string where = "rank " + std::to_string(options_.rank);
  if (!options_.hosts.empty()) where += " (" + options_.hosts[options_.rank] + ")";
  return status.Prefixed(where);
}

Status Worker::Begin() {
  // The threads' references to this end with them.
  launch_thread_ = std::thread([self = shared_from_this()] { self->LaunchThread(); });
  completion_thread_ = std::thread([self = shared_from_this()] { self->CompletionThread(); });
  const double patience = 2 * options_.init_seconds + 2;
  Status status;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(patience),
                      [this] { return begun_ || !failure_.ok(); });
    status = !failure_.ok() ? failure_
             : begun_       ? begin_status_
                      : Where(DeadlineExceeded("NCCL did not come back from starting within " +
                                               SecondsText(static_cast<int64_t>(patience * 1e9))));
  }
  if (!status.ok()) Abort(status);
  return status;
}

Status Worker::InitLaunchThread() {
  DDL_RETURN_IF_ERROR(device_->MakeCurrent());
  DDL_RETURN_IF_ERROR(launcher_.Init());
  DDL_RETURN_IF_ERROR(comms_->Init());
  if (options_.measure_links && options_.size > 1) {
    DDL_RETURN_IF_ERROR(launcher_.MeasureLinks(options_.measured_bytes));
  }
  comms_->SetUp();
  return OkStatus();
}

bool Worker::NextLaunch(JobPtr* job) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return !failure_.ok() || ending_ || !to_launch_.empty(); });
  if (!failure_.ok() || to_launch_.empty()) return false;
  *job = to_launch_.front();
  to_launch_.pop_front();
  return true;
}

void Worker::LaunchThread() {
  if (gate_.Enter()) {
    const Status status = Where(InitLaunchThread());
    gate_.Leave();
    std::lock_guard<std::mutex> lock(mutex_);
    begun_ = true;
    begin_status_ = status;
    changed_.notify_all();
  }
  JobPtr job;
  while (NextLaunch(&job)) {
    if (!gate_.Enter()) break;
    const Status status = launcher_.Launch(job.get());
    gate_.Leave();
    if (!status.ok()) {
      Fail(Where(status.Prefixed(job->collective->name)), true);
      break;
    }
    job->launched = NowNanos();
    std::lock_guard<std::mutex> lock(mutex_);
    costs_ = launcher_.costs();
    changed_.notify_all();
  }
  bool finalize = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    finalize = failure_.ok() && ending_;
  }
  if (finalize && gate_.Enter()) {
    const Status status = comms_->Finalize(kFinalizeSeconds);
    gate_.Leave();
    if (!status.ok()) Fail(Where(status), false);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  launch_ended_ = true;
  changed_.notify_all();
}

void Worker::Start(std::unique_ptr<DeviceCollective> collective) {
  auto job = std::make_shared<Job>();
  int64_t count = 0;
  for (const TensorSegment& segment : collective->segments) count += segment.count;
  job->bytes = count * static_cast<int64_t>(SizeOf(collective->dtype));
  job->started = NowNanos();
  Status wrong = Validate(collective->plan, topology_);
  if (wrong.ok() && collective->dtype == DType::kBytes) {
    wrong = InvalidArgument("bytes cannot be reduced");
  }
  if (!wrong.ok()) wrong = Where(wrong.Prefixed(collective->name));
  job->collective = std::move(collective);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    job->number = started_++;
    pending_.push_back(job);
    history_.push_back(job);
    if (history_.size() > kHistory) history_.pop_front();
    if (wrong.ok()) to_launch_.push_back(job);
    changed_.notify_all();
  }
  // The ranks would no longer call the same: that is the end.
  if (!wrong.ok()) Fail(wrong, true);
}

void Worker::Complete(const JobPtr& job, const Status& status) {
  std::function<void(const Status&)> done;
  std::vector<std::shared_ptr<DeviceEvent>> ready;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    job->ended = NowNanos();
    done.swap(job->collective->done);
    ready.swap(job->collective->ready);
  }
  if (done) done(status);
}

Status Worker::CheckAsync() {
  if (!gate_.TryEnter()) return OkStatus();  // the launch thread will see an error itself
  const Status status = comms_->AsyncError();
  gate_.Leave();
  return status;
}

// The oldest collective that is under way: ended, failed, or to be waited for a little more.
void Worker::WatchFirst(std::unique_lock<std::mutex>* lock) {
  const JobPtr job = pending_.front();
  lock->unlock();
  const CuResult state = device_->cuda().event_query(job->end->get());
  const int64_t now = NowNanos();
  if (state == kCudaSuccess) {
    lock->lock();
    // Unless a failure was faster: then it is one of those that are ended.
    const bool mine = failure_.ok();
    if (mine) pending_.pop_front();
    lock->unlock();
    if (mine) Complete(job, OkStatus());
    lock->lock();
    return;
  }
  Status status;
  if (state != kCudaErrorNotReady) {
    status = device_->Check(state, "cuEventQuery");
  } else if (now >= next_check_) {
    status = CheckAsync();
    next_check_ = now + kCheckNanos;
  }
  if (!status.ok()) Fail(Where(status.Prefixed(job->collective->name)), true);
  lock->lock();
  if (!status.ok()) return;
  // What takes long is looked at less often: never later than a sixteenth of its time.
  const int64_t pause = std::clamp<int64_t>((now - job->launched) / 16, 20000, 200000);
  changed_.wait_for(*lock, std::chrono::nanoseconds(pause), [this] { return !failure_.ok(); });
}

void Worker::CompletionThread() {
  const Status current = device_->MakeCurrent();
  if (!current.ok()) Fail(Where(current), true);
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (!failure_.ok()) {
      lock.unlock();
      if (!drained_) DrainAfterFailure();
      EndPending();
      lock.lock();
      if (OwesReport()) {
        reported_ = true;
        const std::function<void(const Status&)> on_failure = on_failure_;
        lock.unlock();
        on_failure(failure_);
        lock.lock();
        continue;
      }
      if (!pending_.empty()) continue;
      if (ending_) break;
      changed_.wait(lock, [this] { return ending_ || !pending_.empty() || OwesReport(); });
      continue;
    }
    if (!pending_.empty() && pending_.front()->launched != 0) {
      WatchFirst(&lock);
      continue;
    }
    if (ending_ && launch_ended_ && pending_.empty()) break;
    const bool woken = changed_.wait_for(lock, std::chrono::seconds(1), [this] {
      return !failure_.ok() || (ending_ && launch_ended_) ||
             (!pending_.empty() && pending_.front()->launched != 0);
    });
    if (woken || !begun_) continue;
    lock.unlock();
    const Status status = CheckAsync();
    if (!status.ok()) Fail(Where(status), true);
    lock.lock();
  }
  completion_ended_ = true;
  changed_.notify_all();
}

void Worker::Fail(const Status& status, bool by_itself) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!failure_.ok()) return;
  failure_ = status;
  failed_by_itself_ = by_itself;
  changed_.notify_all();
}

// Completion thread. Whatever hangs is left behind when its time is over.
void Worker::DrainAfterFailure() {
  const bool outside = gate_.Close(kGateSeconds);
  const bool aborted = comms_->Abort(kAbortSeconds);
  bool idle = false;
  if (outside && aborted) {
    // Tensors go back to their owner when `done` has run: nothing may use them then.
    for (const Deadline deadline = DeadlineIn(kDeviceSeconds); !idle;) {
      idle = launcher_.Idle();
      if (idle || Clock::now() >= deadline) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  if (!idle) {
    device_->Abandon();
    DDL_LOG(kWarning) << device_->name() << " did not end what it does after an abort ("
                      << (!outside  ? "a call of NCCL or the driver does not return"
                          : aborted ? "its streams wait for something that does not come"
                                    : "ncclCommAbort does not return")
                      << "); its memory and streams stay as they are";
  }
  EndPending();
  std::lock_guard<std::mutex> lock(mutex_);
  drained_ = true;
  changed_.notify_all();
}

bool Worker::OwesReport() const { return failed_by_itself_ && on_failure_ && !reported_; }

void Worker::EndPending() {
  std::deque<JobPtr> ended;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    to_launch_.clear();
    ended.swap(pending_);
  }
  for (const JobPtr& job : ended) Complete(job, failure_);
}

void Worker::Abort(const Status& status) {
  Fail(status.ok() ? Cancelled("aborted") : status, false);
  if (std::this_thread::get_id() == completion_thread_.get_id()) return;  // from a callback
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, std::chrono::duration<double>(kDrainSeconds),
                    [this] { return drained_; });
}

void Worker::Join(std::thread* thread, const bool& ended) {
  if (!thread->joinable()) return;
  bool join = std::this_thread::get_id() != thread->get_id();
  if (join) {
    std::unique_lock<std::mutex> lock(mutex_);
    join = changed_.wait_for(lock, std::chrono::duration<double>(kDrainSeconds),
                             [&] { return ended; });
  }
  if (join) {
    thread->join();
  } else {
    thread->detach();
  }
}

void Worker::End() {
  bool busy = false;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    busy = !pending_.empty();
    ending_ = true;
    changed_.notify_all();
    if (!busy) {
      changed_.wait_for(lock, std::chrono::duration<double>(kFinalizeSeconds + 0.5),
                        [this] { return launch_ended_ || !failure_.ok(); });
      busy = !launch_ended_;
    }
  }
  if (busy) Abort(Where(Cancelled("the communicator was destroyed")));
  Join(&launch_thread_, launch_ended_);
  Join(&completion_thread_, completion_ended_);
}

void Worker::set_on_failure(std::function<void(const Status&)> on_failure) {
  std::lock_guard<std::mutex> lock(mutex_);
  on_failure_ = std::move(on_failure);
  changed_.notify_all();  // the failure may have come first
}

LaunchCosts Worker::costs() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return costs_;
}

std::string Worker::DescribeLast() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const int64_t now = NowNanos();
  std::string text;
  for (const JobPtr& job : history_) {
    const DeviceCollective& c = *job->collective;
    text += "#" + std::to_string(job->number) + " " + c.name + ": " + BytesText(job->bytes) + ", " +
            ToString(c.plan) + ", ";
    if (job->ended != 0) {
      text += "finished after " + SecondsText(job->ended - job->started);
    } else if (job->launched == 0) {
      text += "not launched since " + SecondsText(now - job->started);
    } else {
      const bool ready = std::all_of(c.ready.begin(), c.ready.end(), [this](const auto& event) {
        return device_->Reached(*event);
      });
      text += ready ? "under way since " : "waiting for its tensors since ";
      text += SecondsText(now - job->launched);
    }
    text += "\n";
  }
  return text;
}

}  // namespace tf_ddl
