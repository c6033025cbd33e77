// Threads of several processes on one machine that keep out of each other's way.
#ifndef TF_DDL_BASE_OWN_CORES_H_
#define TF_DDL_BASE_OWN_CORES_H_

#include <vector>

namespace tf_ddl {

// Has the calling thread run on the `part`-th of `parts` equal shares of the machine's cores only.
// Returns those cores. Empty, and nothing is changed: there is one part, there are fewer cores than
// parts, or somebody has bound the thread to some of the machine's cores already.
std::vector<int> KeepToShareOfCores(int part, int parts);

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_OWN_CORES_H_
