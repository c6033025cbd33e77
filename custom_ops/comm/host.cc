#include "comm/host.h"

#include <utility>

#include "comm/link_probe.h"
#include "comm/pair_communicator.h"
#include "comm/topology_of.h"

namespace tf_ddl {

Status CreateHostCommunicator(const JobConfig& config, const CommOptions& options,
                              std::unique_ptr<Communicator>* communicator) {
  Mesh mesh;
  DDL_RETURN_IF_ERROR(ConnectMesh(config, &mesh));
  Topology topology;
  DDL_RETURN_IF_ERROR(ChooseTopology(mesh, options, &topology));
  std::unique_ptr<PairCommunicator> made;
  DDL_RETURN_IF_ERROR(
      PairCommunicator::Create(config.rank, std::move(mesh), topology, options, &made));
  DDL_RETURN_IF_ERROR(LearnLinks(made.get(), options, DeadlineIn(config.join_timeout)));
  *communicator = std::move(made);
  return OkStatus();
}

Status CreateLoopbackCommunicators(int size, bool pull, const Topology* topology,
                                   const CommOptions& options,
                                   std::vector<std::unique_ptr<Communicator>>* communicators) {
  std::vector<Mesh> meshes;
  DDL_RETURN_IF_ERROR(LoopbackMeshes(size, pull, &meshes));
  const Topology used = topology != nullptr ? *topology : TopologyOf(meshes[0]);
  DDL_RETURN_IF_ERROR(Validate(used));
  communicators->resize(size);
  for (int rank = 0; rank < size; ++rank) {
    std::unique_ptr<PairCommunicator> made;
    DDL_RETURN_IF_ERROR(
        PairCommunicator::Create(rank, std::move(meshes[rank]), used, options, &made));
    (*communicators)[rank] = std::move(made);
  }
  return OkStatus();
}

}  // namespace tf_ddl
