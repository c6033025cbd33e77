// A job's topology as its ranks found it when they connected.
#ifndef TF_DDL_COMM_TOPOLOGY_OF_H_
#define TF_DDL_COMM_TOPOLOGY_OF_H_

#include "plan/topology.h"
#include "transport/mesh.h"

namespace tf_ddl {

// The same on every rank: it depends on nothing but what all have told each other.
Topology TopologyOf(const Mesh& mesh);

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_TOPOLOGY_OF_H_
