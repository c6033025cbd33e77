// Communicators over host memory.
#ifndef TF_DDL_COMM_HOST_H_
#define TF_DDL_COMM_HOST_H_

#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "plan/topology.h"
#include "transport/mesh.h"

namespace tf_ddl {

// Ranks are processes. Joins the job (see ConnectMesh for its errors) and measures its links.
Status CreateHostCommunicator(const JobConfig& config, const CommOptions& options,
                              std::unique_ptr<Communicator>* communicator);

// Ranks are threads of this process, for tests: result[r] belongs to rank r. `topology` null: all
// on one host. Links are not measured.
Status CreateLoopbackCommunicators(int size, bool pull, const Topology* topology,
                                   const CommOptions& options,
                                   std::vector<std::unique_ptr<Communicator>>* communicators);

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_HOST_H_
