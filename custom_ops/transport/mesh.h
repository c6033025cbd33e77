// Connects the ranks of a job: every rank gets a Pair to each of the others (a full mesh).
#ifndef TF_DDL_TRANSPORT_MESH_H_
#define TF_DDL_TRANSPORT_MESH_H_

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "rendezvous/store.h"
#include "transport/pair.h"

namespace tf_ddl {

// Who this rank is, how it finds the others and how it connects to them. `rendezvous` is unused
// when size == 1.
struct JobConfig : JoinOptions {
  bool use_shared_memory = true;  // false: TCP even inside a host
  bool use_cma = true;            // false: shared-memory rings only inside a host
  // Network interfaces to use, "eth0,eth1"; empty: all. An error if this host lacks one.
  std::string interfaces;
  int sockets_per_rail = 1;       // between two hosts, on every rail
  double silence_timeout = 60.0;  // seconds without an answer until another host counts as lost
};

// An address of a host that other hosts may know.
struct HostInterface {
  std::string name;     // "eth0"
  std::string address;  // "10.1.0.7"
  std::string network;  // "10.1.0.0/24"
  int speed_mbit = 0;   // megabits per second; 0: unknown
};

struct PeerInfo {
  int rank = 0;
  std::string hostname;
  std::string host_id;  // equal exactly for ranks that share kernel and namespaces
  int pid = 0;
  std::vector<HostInterface> interfaces = {};  // those that may be used
  int gpus = 0;
};

struct Mesh {
  std::vector<std::unique_ptr<Pair>> pairs;  // by rank; pairs[own rank] is null
  std::vector<PeerInfo> peers;               // by rank, own included
  std::unique_ptr<Store> store;  // on rank 0 if it runs the store (host_store); else null
  // Networks on which all hosts reach each other, the same list on every rank. {""}: none in
  // common, or only one host; data goes wherever the routing tables say.
  std::vector<std::string> rails = {""};
};

// Joins the store, waits for all ranks (until config.join_timeout), connects to every peer and
// proves the secret both ways. Errors name the rank, host and what to do:
//   kDeadlineExceeded  ranks that did not come, by number
//   kPermissionDenied  wrong secret
//   kAlreadyExists     the store's port is in use; or this rank is already there
//   kInvalidArgument   world sizes or settings differ; malformed config
Status ConnectMesh(const JobConfig& config, Mesh* mesh);

// Pairs between `size` ranks that are threads of this process: result[r] is rank r's mesh.
// `pull` false makes large messages go through the rings, as between hosts of shared memory only.
Status LoopbackMeshes(int size, bool pull, std::vector<Mesh>* meshes);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_MESH_H_
