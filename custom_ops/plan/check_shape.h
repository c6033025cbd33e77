// The part of the proof that needs no running: plan/check.h.
#ifndef TF_DDL_PLAN_CHECK_SHAPE_H_
#define TF_DDL_PLAN_CHECK_SHAPE_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"

namespace tf_ddl {

// All plans are of one collective; ranges and peers exist; nothing that may run at the same time
// touches the same elements.
Status CheckShape(const std::vector<Plan>& plans);

// "rank 2, lane 0, round 3"
std::string PlaceName(int rank, size_t lane, size_t round);
// "send to rank 1 of elements [0, 16)"
std::string StepText(const Step& step);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_CHECK_SHAPE_H_
