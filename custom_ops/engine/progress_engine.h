// The engine of a world of several ranks. Internal to engine/. Its functions stand in seven files:
// progress_engine.cc (the interface), progress_loop.cc (who drives), progress_collectives.cc (the
// work), progress_device.cc (the work on GPU memory), progress_plans.cc (which plans),
// progress_watch.cc (deadlines and failures) and progress_last.cc (what stuck GPUs were doing).
//
// Threading: op threads put submissions into the inbox (mutex_) and wake the progress thread. The
// thread that holds drive_mutex_ owns everything else, the communicator included, and runs all
// callbacks: it is the progress thread but for the time of a Lend.
#ifndef TF_DDL_ENGINE_PROGRESS_ENGINE_H_
#define TF_DDL_ENGINE_PROGRESS_ENGINE_H_

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/adviser.h"
#include "engine/agreement.h"
#include "engine/device_order.h"
#include "engine/device_plans.h"
#include "engine/engine.h"
#include "engine/group.h"
#include "engine/group_table.h"
#include "engine/plan_book.h"
#include "engine/rail_rates.h"
#include "engine/recorder.h"
#include "engine/report.h"

namespace tf_ddl {

inline std::string RankText(int rank) { return "rank " + std::to_string(rank); }

class ProgressEngine : public Engine, public CommunicatorEvents {
 public:
  ProgressEngine(std::unique_ptr<Communicator> communicator, const EngineOptions& options,
                 std::unique_ptr<DeviceCommunicator> device);
  ~ProgressEngine() override;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string TransportTo(int rank) const override { return communicator_->TransportTo(rank); }
  std::string HostOf(int rank) const override { return communicator_->HostOf(rank); }
  Status RegisterGroup(const GroupSpec& spec, uint64_t* group) override;
  void AllReduce(uint64_t group, int index, const void* in, void* out, int64_t count,
                 Done done) override;
  void AllReduceOnDevice(uint64_t group, int index, const void* in, void* out, int64_t count,
                         void* stream, Done done) override;
  void Broadcast(uint64_t group, const void* in, void* out, int64_t count, Done done) override;
  void AllGather(uint64_t group, const void* in, int64_t count, Allocate allocate,
                 Done done) override;
  void Lend(const std::function<void()>& start, const std::function<bool()>& finished) override;
  void Abort(const Status& status) override;
  Status health() const override;
  void Shutdown() override;
  std::string StatsJson() const override;
  std::string PlansJson() const override;
  void RecordTimeline(bool enabled) override { recorder_.EnableTimeline(enabled); }
  std::string TimelineJson() const override { return recorder_.TimelineJson(); }

  // CommunicatorEvents, on the driving thread.
  void OnControl(int peer, ControlKind kind, std::string payload) override;
  void OnBye(int peer) override;
  void OnFailure(int peer, const Status& status) override;

 private:
  // One message to the progress thread: a new group, or a tensor of one.
  struct Submission {
    uint64_t group = 0;
    int index = 0;
    TensorArrival arrival;
    std::unique_ptr<Group> new_group;
  };

  // A bucket in GPU memory that has ended, noted by the device communicator's thread.
  struct DeviceEnd {
    DeviceBucket bucket;
    int64_t at = 0;  // nanoseconds
  };

  void Submit(CollectiveKind kind, uint64_t group, int index, TensorArrival arrival);
  // Of the device communicator's thread.
  void DeviceBucketEnded(const DeviceBucket& bucket, const Status& status);
  void WakeUnlessLent();

  void Run();  // the progress thread
  void KeepToOwnCores();

  // All below: the driving thread.
  bool Turn();
  bool ending() const { return !failure_.ok() || goodbye_; }
  void DriveUntil(const std::function<bool()>& finished);
  bool DrainInbox();
  void AddGroup(std::unique_ptr<Group> group);
  void AddArrival(Group* group, int index, TensorArrival arrival);
  void AnnounceOrder(Group* group);
  void Confirm(int peer, uint64_t sequence, const GroupSpec& spec);
  void OnAgreed(uint64_t sequence);
  void OnOrder(const std::string& payload);
  void StartComplete(Group* group, Call* call);
  void StartBucket(Group* group, Call* call, int bucket);
  void StartCollective(Group* group, Call* call, int bucket, std::shared_ptr<const Plan> plan,
                       std::vector<TensorSegment> segments, std::function<void()> done);
  void StartGather(Group* group, Call* call);
  void BucketDone(Group* group, uint64_t call, int bucket);
  void BucketTook(Group* group, const Call& call, int bucket, int64_t now);
  void QueueDeviceBucket(Group* group, Call* call, int bucket);
  void StartDeviceBucket(const DeviceTurn& turn);
  void StartDeviceTurns();
  void OnDeviceOrder(const std::string& payload);
  void SendDeviceOrder(const std::string& payload);
  bool DrainDeviceEnds();
  void CheckDeviceLeft(const Group& group, const Call& call);
  std::string DescribeDeviceWait(const Group& group, const Call& call) const;
  std::string DescribeTurn(const DeviceTurn& turn) const;
  std::string OwnLast() const;
  void AskForLast(const Status& status);
  void OnLast(int peer, const std::string& payload);
  void CheckLast();
  void ChooseFirstPlans();
  void Measure(Group* group, const Call& call, int64_t now);
  void OnReport(int peer, const std::string& payload);
  void Advise(Group* group, uint64_t epoch);
  void OnPlans(const std::string& payload);
  void Follow(Group* group, uint64_t epoch, const Advice& advice);
  void PublishPlans(int version);
  void CheckDeadlines();
  std::string DescribeWait(const Group& group, const Call& call) const;
  void Fail(const Status& status);
  void FailEverything();

  const std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<DeviceCommunicator> device_;  // may be null; constant until the end
  const EngineOptions options_;
  const int rank_;
  const int size_;
  GroupTable table_;
  Recorder recorder_;

  mutable std::mutex mutex_;
  std::vector<Submission> inbox_;       // guarded by mutex_
  Status health_;                       // guarded by mutex_
  Status abort_request_;                // guarded by mutex_
  bool stop_ = false;                   // guarded by mutex_
  std::string plans_json_;              // guarded by mutex_: the front of PlansJson
  std::vector<std::string> news_;       // guarded by mutex_
  std::vector<DeviceEnd> device_ends_;  // guarded by mutex_
  int device_running_ = 0;              // guarded by mutex_: collectives whose `done` has not run
  std::condition_variable device_stopped_;  // device_running_ is 0

  std::mutex drive_mutex_;
  std::atomic<bool> lent_{false};  // the thread in Lend looks at the inbox
  bool ended_ = false;             // guarded by drive_mutex_: the progress thread has ended

  // All below: guarded by drive_mutex_.
  std::map<uint64_t, std::unique_ptr<Group>> groups_;  // by id
  std::map<uint64_t, Group*> by_sequence_;
  PlanBook book_;
  Adviser adviser_;  // used on rank 0
  RailRates rail_rates_;
  int published_ = -1;  // version of the table
  struct EpochTimes {   // seconds, by call
    uint64_t epoch = 0;
    std::vector<double> exposed;
    std::vector<double> whole;
  };
  std::map<uint64_t, EpochTimes> times_;  // by group
  Agreement agreement_;                   // used on rank 0
  std::vector<bool> left_;                // by rank: said goodbye
  int in_flight_ = 0;                     // collectives
  DevicePlans device_plans_;              // used on rank 0
  DeviceOrder device_order_;
  int64_t device_started_ = 0;
  int64_t device_ended_ = 0;
  std::vector<Deadline> left_at_;  // by rank, where left_ is set
  // A deadline has passed, and the ranks have been asked for their last collectives.
  struct Asked {
    Status why;
    Deadline until;
    std::vector<std::string> answers;  // by rank
  };
  std::unique_ptr<Asked> asked_;
  Deadline others_ask_until_;  // another rank asks, and will say why the job fails
  Status failure_;
  bool goodbye_ = false;
  Deadline next_check_;  // when CheckDeadlines is due

  std::mutex register_mutex_;  // keeps registrations in the order of their sequence numbers
  std::mutex join_mutex_;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_PROGRESS_ENGINE_H_
