#include "plan/device_plan.h"

#include "plan/words.h"

namespace tf_ddl {

std::string ToString(const DevicePlan& plan) {
  if (plan.grid.empty()) return "flat";
  std::string text = "grid ";
  for (size_t i = 0; i < plan.grid.size(); ++i) {
    text += (i > 0 ? "x" : "") + std::to_string(plan.grid[i]);
  }
  if (plan.chunk_bytes > 0) text += ", chunks of " + BytesText(plan.chunk_bytes);
  return text;
}

}  // namespace tf_ddl
