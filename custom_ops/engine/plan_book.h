// The plans of a job's all-reduces: versions of rank 0's table, and plans made by them.
#ifndef TF_DDL_ENGINE_PLAN_BOOK_H_
#define TF_DDL_ENGINE_PLAN_BOOK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "base/dtype.h"
#include "base/status.h"
#include "plan/choose.h"
#include "plan/topology.h"

namespace tf_ddl {

class PlanBook {
 public:
  PlanBook(int rank, Topology topology) : rank_(rank), topology_(std::move(topology)) {}

  const Topology& topology() const { return topology_; }
  // kInvalidArgument if the table does not fit the topology.
  Status Add(int version, PlanTable table);
  bool Has(int version) const { return tables_.count(version) > 0; }
  const PlanTable& table(int version) const { return tables_.at(version); }
  int newest() const { return tables_.empty() ? -1 : tables_.rbegin()->first; }

  // This rank's plan by table `version`, which must be there; kept, since steps repeat.
  std::shared_ptr<const Plan> AllReduce(int version, int64_t count, DType dtype);

 private:
  const int rank_;
  const Topology topology_;
  std::map<int, PlanTable> tables_;
  std::map<std::tuple<int, int64_t, int64_t>, std::shared_ptr<const Plan>> plans_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_PLAN_BOOK_H_
