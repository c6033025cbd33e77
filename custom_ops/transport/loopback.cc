// Meshes between the threads of one process.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include "transport/mesh.h"
#include "transport/stream_pair.h"

namespace tf_ddl {
namespace {

Status Join(int a, int b, bool pull, std::vector<Mesh>* meshes) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ErrnoStatus("socketpair", errno);
  }
  Fd ends[2] = {Fd(sockets[0]), Fd(sockets[1])};
  std::shared_ptr<Segment> segment;
  DDL_RETURN_IF_ERROR(Segment::CreatePrivate(kLeastPullRingBytes, &segment));
  std::unique_ptr<RemoteReader> readers[2];
  if (pull) NewMemoryReaders(readers);
  const int ranks[2] = {a, b};
  for (int side = 0; side < 2; ++side) {
    const int rank = ranks[side];
    const int peer = ranks[1 - side];
    PairParts parts;
    parts.rank = rank;
    parts.peer = peer;
    parts.peer_name = "rank " + std::to_string(peer);
    parts.transport = pull ? "memory" : "shm";
    parts.same_host = true;
    parts.socket = std::move(ends[side]);
    parts.segment = segment;
    parts.side = side;
    parts.reader = std::move(readers[side]);
    (*meshes)[rank].pairs[peer] = NewStreamPair(std::move(parts));
  }
  return OkStatus();
}

}  // namespace

Status LoopbackMeshes(int size, bool pull, std::vector<Mesh>* meshes) {
  meshes->clear();
  if (size < 1) return InvalidArgument("a job has at least one rank, not " + std::to_string(size));
  char hostname[HOST_NAME_MAX + 1] = "localhost";
  gethostname(hostname, sizeof hostname - 1);
  meshes->resize(size);
  for (Mesh& mesh : *meshes) {
    mesh.pairs.resize(size);
    for (int rank = 0; rank < size; ++rank) {
      mesh.peers.push_back({rank, hostname, "loopback", static_cast<int>(getpid())});
    }
  }
  for (int a = 0; a < size; ++a) {
    for (int b = a + 1; b < size; ++b) DDL_RETURN_IF_ERROR(Join(a, b, pull, meshes));
  }
  return OkStatus();
}

}  // namespace tf_ddl
