#include "comm/host.h"

#include <utility>

namespace tf_ddl {

Status CreateHostCommunicator(const JobConfig& config, const PlanChoice& choice,
                              std::unique_ptr<Communicator>* communicator) {
  Mesh mesh;
  DDL_RETURN_IF_ERROR(ConnectMesh(config, &mesh));
  return PairCommunicator::Create(config.rank, std::move(mesh), choice, communicator);
}

Status CreateLoopbackCommunicators(int size, bool pull, const PlanChoice& choice,
                                   std::vector<std::unique_ptr<Communicator>>* communicators) {
  std::vector<Mesh> meshes;
  DDL_RETURN_IF_ERROR(LoopbackMeshes(size, pull, &meshes));
  communicators->resize(size);
  for (int rank = 0; rank < size; ++rank) {
    DDL_RETURN_IF_ERROR(
        PairCommunicator::Create(rank, std::move(meshes[rank]), choice, &(*communicators)[rank]));
  }
  return OkStatus();
}

}  // namespace tf_ddl
