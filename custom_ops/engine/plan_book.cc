#include "engine/plan_book.h"

#include <utility>

namespace tf_ddl {
namespace {

// More plans than the buckets of a few models: whoever makes so many does not repeat them.
constexpr size_t kKeptPlans = 512;

}  // namespace

Status PlanBook::Add(int version, PlanTable table) {
  DDL_RETURN_IF_ERROR(Validate(table, topology_));
  tables_[version] = std::move(table);
  return OkStatus();
}

std::shared_ptr<const Plan> PlanBook::AllReduce(int version, int64_t count, DType dtype) {
  const int64_t element = static_cast<int64_t>(SizeOf(dtype));
  auto& plan = plans_[{version, count, element}];
  if (plan == nullptr) {
    const PlanSpec& spec = tables_.at(version).Find(count * element);
    auto made = std::make_shared<const Plan>(MakePlan(spec, topology_, rank_, count, element));
    if (plans_.size() > kKeptPlans) {
      plans_.clear();
      return plans_[{version, count, element}] = std::move(made);
    }
    plan = std::move(made);
  }
  return plan;
}

}  // namespace tf_ddl
