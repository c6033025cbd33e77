// A job's topology as its ranks found it when they connected, or as the user says it is.
#ifndef TF_DDL_COMM_TOPOLOGY_OF_H_
#define TF_DDL_COMM_TOPOLOGY_OF_H_

#include "base/status.h"
#include "comm/communicator.h"
#include "plan/topology.h"
#include "transport/mesh.h"

namespace tf_ddl {

// The same on every rank: it depends on nothing but what all have told each other.
Topology TopologyOf(const Mesh& mesh);

// The same with what `options` say in its place. kInvalidArgument, with the numbers that do not
// fit, if that is impossible for the job.
Status ChooseTopology(const Mesh& mesh, const CommOptions& options, Topology* topology);

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_TOPOLOGY_OF_H_
