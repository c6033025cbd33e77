// NCCL's communicators of one rank: the one that all ranks meet in, which never blocks, the flat
// one that reduces, and those of grids' dimensions, split from the first when they are first
// needed.
//
// Everything but AsyncError and Abort is called by the launch thread, inside the gate.
#ifndef TF_DDL_NCCL_COMM_SET_H_
#define TF_DDL_NCCL_COMM_SET_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "nccl/device.h"
#include "nccl/gate.h"
#include "nccl/nccl_abi.h"
#include "nccl/nccl_communicator.h"
#include "plan/device_schedule.h"

namespace tf_ddl {

class CommSet : public std::enable_shared_from_this<CommSet> {
 public:
  CommSet(std::shared_ptr<Device> device, const NcclOptions& options, const Topology& topology,
          Gate* gate);

  // Meets the other ranks.
  Status Init();
  // While the ranks set up, between two looks at what they wait for: sleeps a moment. Not OK: the
  // deadline is over, somebody has given up, or the gate is closed.
  Status KeepWaiting(Deadline deadline, const std::string& what);
  Deadline PatienceFromNow() const { return DeadlineIn(options_.init_seconds); }
  // From now on nobody is asked any more whether to give up.
  void SetUp() { set_up_ = true; }
  NcclComm flat() const { return flat_; }
  // Of each dimension of the plan's grid. The first time a grid is asked for, all ranks must.
  Status Lines(const DevicePlan& plan, std::vector<NcclComm>* lines);
  int count() const;

  // kInternal or kUnavailable, naming the call and what NCCL says of it, unless it succeeded.
  Status Check(NcclResult result, const char* call) const;
  // Of a call on a communicator that may not block: waits until it has ended. No deadline: ends
  // when the gate is closed.
  Status Settle(NcclResult result, NcclComm comm, const char* call);

  // The first error that a communicator reports by itself; any thread, inside the gate.
  Status AsyncError() const;
  // Any thread. Ends what hangs in any of the communicators; they are gone afterwards. False if
  // that took longer than `seconds`: it goes on in the background.
  bool Abort(double seconds);
  // Gives everything back in good order, after the last collective. Not OK: Abort is still needed.
  Status Finalize(double seconds);

 private:
  Status WaitFor(NcclComm comm, Deadline deadline, const std::string& what);
  Status Split(int color, int key, const std::string& what, NcclComm* comm);
  // False: Abort has been before it; then the communicator is gone already.
  bool Register(NcclComm comm);

  const std::shared_ptr<Device> device_;
  const NcclApi& nccl_;
  const NcclOptions options_;
  const Topology topology_;
  Gate* const gate_;
  NcclComm root_ = nullptr;
  NcclComm flat_ = nullptr;
  bool set_up_ = false;
  std::vector<std::unique_ptr<NcclComm>> splits_;
  std::map<std::vector<int>, std::vector<NcclComm>> lines_;  // by grid

  mutable std::mutex mutex_;
  std::vector<NcclComm> all_;  // guarded by mutex_; the root first
  bool aborted_ = false;       // guarded by mutex_
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_COMM_SET_H_
