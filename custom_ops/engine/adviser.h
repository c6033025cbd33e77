// Rank 0's decisions while training: which plans, bucket sizes and chunks the next epoch of a group
// uses. It learns from every rank's reports; the others only follow, so all ranks do the same.
#ifndef TF_DDL_ENGINE_ADVISER_H_
#define TF_DDL_ENGINE_ADVISER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "comm/device_communicator.h"
#include "engine/device_plans.h"
#include "engine/engine.h"
#include "engine/link_watch.h"
#include "engine/plan_book.h"
#include "engine/report.h"
#include "engine/tuner.h"

namespace tf_ddl {

// Advice of a group that uses none.
constexpr int kSocketsAsTheyAre = -1;

// What all ranks are told of an epoch.
struct Advice {
  int plans = 0;  // version of the table
  int64_t bucket_bytes = 0;
  int sockets = 0;  // in use on each rail; 0: all
  // Of groups in GPU memory, on rank 0 only, which tells the plan of each bucket when it starts it.
  DevicePlan device_plan;
  bool has_device_plan = false;
};

class Adviser {
 public:
  Adviser(const Communicator* communicator, const EngineOptions& options, PlanBook* book);

  // The table that everybody starts with, as version 0 of the book. kInvalidArgument if what the
  // user wishes is not possible.
  Status ChooseFirst();

  void Take(int rank, const Report& report);
  // Of this rank: a bucket of `bytes` took so long by plans of `version`.
  void BucketTook(int version, int64_t bytes, double seconds);

  // Once for each epoch of a group, in order. `tensor_bytes`: of each of its tensors. `device`: of
  // a group in GPU memory, else null.
  Advice For(uint64_t group, const std::vector<int64_t>& tensor_bytes, uint64_t epoch,
             const DevicePlans* device = nullptr);

  const LinkModel& links() const { return watch_.model(); }

  // For the log: what was noticed and what was done about it; emptied by the call.
  std::vector<std::string> TakeNews();

 private:
  struct GroupState {
    std::unique_ptr<Tuner> tuner;
    std::vector<std::string> plans;                     // names, by Setting::plan
    std::vector<DevicePlan> device_plans;               // of GPU memory: likewise
    std::map<uint64_t, std::map<int, Report>> reports;  // by epoch and rank
    int slowest = -1;                                   // rank, in the last epoch
    int told_slow = -1;
  };

  PlanWishes Wishes(int64_t chunk_bytes) const;
  void MakeTuner(const std::vector<int64_t>& tensor_bytes, GroupState* state) const;
  void MakeDeviceTuner(const std::vector<int64_t>& tensor_bytes, const DevicePlans& device,
                       GroupState* state) const;
  std::vector<int64_t> BucketSizes(const std::vector<int64_t>& tensor_bytes, int64_t first) const;
  // Candidates for a bucket, cheapest first by the model as corrected.
  std::vector<Candidate> Ranked(int64_t bytes, int64_t chunk_bytes) const;
  // Whether plans were chosen by a rule that stands above the model.
  bool by_rule() const { return options_.plan.empty() && Wishes(0).all_pull; }
  int VersionFor(const GroupState& state, const Setting& setting);
  void LookForSlowRank(const std::map<int, Report>& by_rank, GroupState* state);

  const Communicator* const communicator_;
  const EngineOptions options_;
  PlanBook* const book_;
  std::map<int, std::vector<RailReport>> rails_;  // by rank, since the watch was told
  LinkWatch watch_;
  int model_number_ = 0;  // counts changes of the model
  std::map<uint64_t, GroupState> groups_;
  // Table versions by (model number, plan's name, bucket bytes, chunk bytes).
  std::map<std::tuple<int, std::string, int64_t, int64_t>, int> versions_;
  std::map<std::pair<int, int64_t>, double> predicted_;  // seconds by table and bytes
  std::map<std::string, double> corrections_;  // by algorithm: measured / predicted seconds
  std::vector<std::string> news_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_ADVISER_H_
