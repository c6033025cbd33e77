// What a rank sends over the rails, from report to report.
#ifndef TF_DDL_ENGINE_RAIL_RATES_H_
#define TF_DDL_ENGINE_RAIL_RATES_H_

#include <map>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "engine/report.h"

namespace tf_ddl {

class RailRates {
 public:
  explicit RailRates(const Communicator* communicator) : communicator_(communicator) {}

  // Since the last call, by rail. Driving thread.
  std::vector<RailReport> Take();

 private:
  struct Count {
    double bytes = 0;
    double seconds = 0;
  };
  // By rail and peer, as TCP counts: bytes that have arrived, time during which some were under
  // way.
  std::map<std::pair<int, int>, Count> TakePeers();

  const Communicator* const communicator_;
  std::vector<RailUse> last_;
  std::map<std::pair<int, size_t>, Count> last_sockets_;  // by peer and socket
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_RAIL_RATES_H_
