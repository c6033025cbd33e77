// The two threads of an NcclCommunicator and what they share.
//
// The launch thread makes all calls of NCCL's, in the order of Start. The completion thread watches
// the ends of what was launched and NCCL's own reports of errors, runs `done`, and, once anything
// has failed, aborts the communicators, ends everything that is pending, and refuses what comes.
//
// Both hold a reference to the Worker: one that hangs in a library outlives its communicator, and
// so does all it uses.
#ifndef TF_DDL_NCCL_WORKER_H_
#define TF_DDL_NCCL_WORKER_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "nccl/comm_set.h"
#include "nccl/device.h"
#include "nccl/gate.h"
#include "nccl/job.h"
#include "nccl/launcher.h"
#include "nccl/nccl_communicator.h"

namespace tf_ddl {

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  Worker(std::shared_ptr<Device> device, const NcclOptions& options, Topology topology);

  // Starts the threads; returns when all ranks have met.
  Status Begin();
  void Start(std::unique_ptr<DeviceCollective> collective);
  void Abort(const Status& status);
  // Ends the threads, within about five seconds. Nothing may be called afterwards.
  void End();

  void set_on_failure(std::function<void(const Status&)> on_failure);
  std::string DescribeLast() const;
  LaunchCosts costs() const;
  int communicators() const { return comms_->count(); }
  // Once Begin has returned: what the kernels were loaded from, what plans cost.
  const std::string& kernels_form() const { return launcher_.kernels_form(); }
  const DeviceLinks& links() const { return launcher_.links(); }
  const Topology& topology() const { return topology_; }
  const std::shared_ptr<Device>& device() const { return device_; }
  const NcclOptions& options() const { return options_; }

 private:
  using JobPtr = std::shared_ptr<Job>;

  void LaunchThread();
  Status InitLaunchThread();
  void CompletionThread();
  // Waits until there is something to do. False: end.
  bool NextLaunch(JobPtr* job);
  void WatchFirst(std::unique_lock<std::mutex>* lock);
  Status CheckAsync();
  void Fail(const Status& status, bool by_itself);
  void DrainAfterFailure();
  void Complete(const JobPtr& job, const Status& status);
  void EndPending();
  bool OwesReport() const;  // with mutex_ held
  Status Where(const Status& status) const;
  void Join(std::thread* thread, const bool& ended);

  const std::shared_ptr<Device> device_;
  const NcclOptions options_;
  const Topology topology_;
  Gate gate_;
  const std::shared_ptr<CommSet> comms_;
  Launcher launcher_;  // launch thread; the completion thread once the gate is closed
  std::thread launch_thread_, completion_thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All of these: guarded by mutex_.
  std::deque<JobPtr> to_launch_;
  std::deque<JobPtr> pending_;  // started and not done, those of to_launch_ included
  std::deque<JobPtr> history_;  // the last ones, done or not
  int64_t started_ = 0;
  bool begun_ = false;  // Init has ended, with begin_status_
  Status begin_status_;
  Status failure_;  // the first
  bool failed_by_itself_ = false;
  bool drained_ = false;  // everything pending was ended after a failure
  bool ending_ = false;
  bool launch_ended_ = false;
  bool completion_ended_ = false;
  LaunchCosts costs_;
  std::function<void(const Status&)> on_failure_;
  bool reported_ = false;   // on_failure_ was called
  int64_t next_check_ = 0;  // completion thread only: when to ask NCCL for errors again
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_WORKER_H_
