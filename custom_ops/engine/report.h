// What a rank tells rank 0 of an epoch: how long calls took, and what its links carried.
#ifndef TF_DDL_ENGINE_REPORT_H_
#define TF_DDL_ENGINE_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "comm/communicator.h"

namespace tf_ddl {

// A rank's sending to another host over one rail since the last report.
struct LinkUse {
  int rail = 0;
  int to_host = 0;
  double bytes = 0;
  double seconds = 0;  // during which bytes were under way and the receiver took them
};

struct Report {
  uint64_t group = 0;
  uint64_t epoch = 0;
  // Medians over the epoch's calls, seconds: from the arrival of the last tensor on this rank to
  // the end of the last bucket; from the first arrival to there.
  double exposed = 0;
  double whole = 0;
  std::vector<LinkUse> links;
};

std::string Serialize(const Report& report);
// Refuses what makes no sense: hosts and rails that there are not, negative numbers.
Status Parse(const std::string& text, int hosts, int rails, Report* report);

// Watches the sockets to other hosts.
class LinkMeter {
 public:
  explicit LinkMeter(const Communicator* communicator) : communicator_(communicator) {}

  // What the links have carried since the last call, by rail and host. Driving thread.
  std::vector<LinkUse> Take();

 private:
  struct Count {
    double bytes = 0;
    double seconds = 0;
  };
  const Communicator* const communicator_;
  std::map<std::pair<int, size_t>, Count> last_;  // by peer and socket
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_REPORT_H_
