// What buckets in GPU memory cost, by plan: a model of how NCCL moves them, with what the job's
// GPUs were measured to take when it started (FitDeviceLinks); what is measured while training
// decides.
//
// One all-reduce of b bytes among n ranks on h hosts. A ring takes 2(n-1) steps, of which 2h cross
// hosts; a tree 2(log2 of the ranks of a host + log2 h). The bytes of both: each rank of a host
// passes on 2(n-1)/n*b, and as many go through each host's network. What takes longest decides, and
// NCCL takes the quicker of ring and tree. A grid's phases move 1/n of what the phase before left.
#ifndef TF_DDL_PLAN_DEVICE_COST_H_
#define TF_DDL_PLAN_DEVICE_COST_H_

#include <cstdint>
#include <vector>

#include "plan/device_plan.h"
#include "plan/topology.h"

namespace tf_ddl {

struct DeviceLinks {
  LinkCost local;          // a step between GPUs of a host; bytes of one GPU, both ways at a time
  LinkCost between;        // a step between hosts; bytes of a host, all of its networks together
  double launch = 0;       // seconds to launch one kernel, NCCL's or ours
  double call = 0;         // seconds for one more tensor in a grouped call
  double memory_beta = 0;  // seconds for one byte read or written in GPU memory
  // Of a flat all-reduce as a whole, launch included; bytes of the bucket. Where it was measured:
  // beta is 0 else, and the cost follows from `local` and `between`.
  LinkCost flat;
};

// What is assumed of links that nobody measured: NVLink within a host, 100 Gbit/s between hosts.
DeviceLinks UsualDeviceLinks();

// Seconds of one call, by its bytes: measured with few and with many.
struct TwoTimes {
  double few = 0;
  double many = 0;  // 0: not measured
};
constexpr int64_t kFewBytes = 4096;
constexpr int64_t kManyBytes = 16 << 20;  // usually
constexpr int kGroupedTensors = 32;

// What was measured on a job's GPUs. Along a dimension: all its lines at the same time.
struct DeviceTimes {
  TwoTimes flat;       // an all-reduce among all ranks
  TwoTimes local;      // among the ranks of a host
  TwoTimes between;    // among the ranks at one place of their hosts
  TwoTimes pack;       // our kernel copies so many bytes
  double grouped = 0;  // kFewBytes in kGroupedTensors tensors, in one group of calls
  int64_t many_bytes = kManyBytes;
};

// The links that explain the times; those of which nothing was measured are the usual ones. Never
// refused by Validate.
DeviceLinks FitDeviceLinks(const DeviceTimes& times, const Topology& topology);

// kInvalidArgument unless all costs are finite, not negative, and betas above 0.
Status Validate(const DeviceLinks& links);

// Of reducing `bytes` by `plan`, which must fit `topology`; packing not included.
double PredictSeconds(const DevicePlan& plan, const Topology& topology, const DeviceLinks& links,
                      int64_t bytes);

// All that can be chosen from, the one predicted fastest first: flat, and grids of the ranks of a
// host by the hosts where these are several and equally large.
std::vector<DevicePlan> DevicePlanCandidates(const Topology& topology, const DeviceLinks& links,
                                             int64_t bytes);

// kInvalidArgument unless the grid makes as many ranks as there are, with lengths above 1 (or
// flat), and the chunk is not negative.
Status Validate(const DevicePlan& plan, const Topology& topology);

// Whether copying `tensors` tensors of `bytes` in all into one buffer and back costs less than one
// call for each of them.
bool PackingIsFaster(const DeviceLinks& links, int tensors, int64_t bytes);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_DEVICE_COST_H_
