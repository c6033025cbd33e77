// A grid's collectives, one by one: what one rank calls, in which order. A pure function, so that
// every rank calls the same, and so that the checker of plans can prove it (EquivalentPlan).
//
// A chunk goes through 2k-1 phases on a grid of k dimensions: reduce-scatter along the first, the
// second, ..., all-reduce along the last, all-gather along the last but one, ..., the first. In one
// turn chunk c is in phase p, chunk c + 1 in phase p - 1, and so on: as many chunks are under way
// as there are phases, each on another dimension or in another direction. Elements that cannot be
// divided evenly are reduced flat, at the end.
#ifndef TF_DDL_PLAN_DEVICE_SCHEDULE_H_
#define TF_DDL_PLAN_DEVICE_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "plan/device_plan.h"
#include "plan/plan.h"
#include "plan/ranges.h"
#include "plan/topology.h"

namespace tf_ddl {

enum class DeviceStepKind : int { kReduceScatter, kAllReduce, kAllGather };

struct DeviceStep {
  DeviceStepKind kind = DeviceStepKind::kAllReduce;
  int dimension = -1;       // along which; -1: among all ranks
  int chunk = 0;            // a step runs after the step before it of its chunk
  Range range;              // what the collective reduces or gathers
  Range own;                // this rank's part of it; of an all-reduce: `range`
  bool from_input = false;  // the first of its chunk: reads the inputs
};

// Where a rank stands on a grid, and with whom along each dimension.
struct GridPlace {
  int place = 0;           // along the dimension
  int line = 0;            // which of the dimension's lines: equal for those who reduce together
  std::vector<int> ranks;  // of the line, by place
};

// `plan` must fit `topology`. By dimension.
std::vector<GridPlace> GridPlaces(const DevicePlan& plan, const Topology& topology, int rank);

// Elements are divided in multiples of this: a bucket padded to it has no remainder.
int64_t ScheduleUnit(const DevicePlan& plan);

// What `rank` calls for a bucket of `count` elements, in order; flat plans too.
std::vector<DeviceStep> DeviceSchedule(const DevicePlan& plan, const Topology& topology, int rank,
                                       int64_t count, int64_t element_bytes);

// The plan that moves the same data, a chunk a lane, for CheckAllReduce.
Plan EquivalentPlan(const DevicePlan& plan, const Topology& topology, int rank, int64_t count,
                    int64_t element_bytes);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_DEVICE_SCHEDULE_H_
