#include "base/own_cores.h"

#include <sched.h>
#include <unistd.h>

namespace tf_ddl {

std::vector<int> KeepToShareOfCores(int part, int parts) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  // Fails where the machine has more cores than the set has room for.
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {};
  const int count = CPU_COUNT(&allowed);
  if (parts <= 1 || count < parts || count < sysconf(_SC_NPROCESSORS_ONLN)) return {};
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  const std::vector<int> share(cores.begin() + part * count / parts,
                               cores.begin() + (part + 1) * count / parts);
  cpu_set_t own;
  CPU_ZERO(&own);
  for (int core : share) CPU_SET(core, &own);
  if (sched_setaffinity(0, sizeof own, &own) != 0) return {};
  return share;
}

}  // namespace tf_ddl
