// The arrangements among which choose.cc chooses, costed.
#ifndef TF_DDL_PLAN_OPTIONS_H_
#define TF_DDL_PLAN_OPTIONS_H_

#include <vector>

#include "base/status.h"
#include "plan/choose.h"
#include "plan/cost.h"

namespace tf_ddl {

// A specification without its chunk size, and the cost of each of its colours.
struct Option {
  PlanSpec spec;
  std::vector<ColourCost> costs;
};

// Those that the wishes leave, in order of preference where they are equally fast: few messages
// and steady streams first. kInvalidArgument if they leave none.
Status MakeOptions(const CostModel& model, const PlanWishes& wishes, std::vector<Option>* options);

// In which order a ring should visit the hosts so that it keeps off the slow paths of a rail; empty
// if the topology's order is as good as any that was found.
std::vector<int> RingOrder(const LinkModel& links, int rail, int hosts);

// Every way to write `n` as a product of up to `most` factors above 1, in every order.
std::vector<std::vector<int>> Factorisations(int n, int most);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_OPTIONS_H_
