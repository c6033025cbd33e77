// Communicators over host memory.
#ifndef TF_DDL_COMM_HOST_H_
#define TF_DDL_COMM_HOST_H_

#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/pair_communicator.h"
#include "transport/mesh.h"

namespace tf_ddl {

// Ranks are processes. Joins the job (see ConnectMesh for its errors).
Status CreateHostCommunicator(const JobConfig& config, const PlanChoice& choice,
                              std::unique_ptr<Communicator>* communicator);

// Ranks are threads of this process, for tests: result[r] belongs to rank r.
Status CreateLoopbackCommunicators(int size, bool pull, const PlanChoice& choice,
                                   std::vector<std::unique_ptr<Communicator>>* communicators);

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_HOST_H_
