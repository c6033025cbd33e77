#include "comm/topology_of.h"

#include <map>
#include <string>

namespace tf_ddl {

Topology TopologyOf(const Mesh& mesh) {
  Topology topology;
  topology.rails = mesh.rails;
  std::map<std::string, size_t> known;
  for (const PeerInfo& peer : mesh.peers) {
    const auto [at, is_new] = known.emplace(peer.host_id, topology.hosts.size());
    if (is_new) {
      Host host;
      host.name = peer.hostname;
      host.gpus = peer.gpus;
      for (const HostInterface& each : peer.interfaces) {
        host.interfaces.push_back({each.name, each.address, each.network});
      }
      topology.hosts.push_back(std::move(host));
    }
    topology.hosts[at->second].ranks.push_back(peer.rank);
  }
  return topology;
}

}  // namespace tf_ddl
