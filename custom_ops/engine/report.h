// What a rank tells rank 0 of an epoch: how long calls took, and what it sent over the rails.
#ifndef TF_DDL_ENGINE_REPORT_H_
#define TF_DDL_ENGINE_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace tf_ddl {

// What a rank sent over a rail since its last report.
struct RailReport {
  double bytes = 0;
  double seconds = 0;  // with something to send
  double precise =
      0;  // bytes per second of the one connection that was used; 0: there were several
};

struct Report {
  uint64_t group = 0;
  uint64_t epoch = 0;
  // Medians over the epoch's calls, seconds: from the arrival of the last tensor on this rank to
  // the end of the last bucket; from the first arrival to there.
  double exposed = 0;
  double whole = 0;
  std::vector<RailReport> rails;
};

std::string Serialize(const Report& report);
// Refuses what makes no sense: another number of rails, negative numbers.
Status Parse(const std::string& text, int rails, Report* report);

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_REPORT_H_
