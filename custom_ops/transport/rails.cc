#include "transport/rails.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace tf_ddl {
namespace {

// By host: the interface by which all of its ranks would use the network. Empty: no rail.
std::map<std::string, const HostInterface*> Attachments(const std::vector<PeerInfo>& peers,
                                                        const std::string& network) {
  std::map<std::string, const HostInterface*> by_host;
  std::map<std::string, std::string> host_by_address;
  for (const PeerInfo& peer : peers) {
    const HostInterface* const interface = OnNetwork(peer, network);
    if (interface == nullptr) return {};
    by_host.emplace(peer.host_id, interface);
    const auto owner = host_by_address.emplace(interface->address, peer.host_id).first;
    if (owner->second != peer.host_id) return {};
  }
  return by_host;
}

}  // namespace

const HostInterface* OnNetwork(const PeerInfo& peer, const std::string& network) {
  for (const HostInterface& each : peer.interfaces) {
    if (each.network == network) return &each;
  }
  return nullptr;
}

std::vector<std::string> CommonNetworks(const std::vector<PeerInfo>& peers) {
  std::vector<std::string> networks;
  std::set<std::string> hosts;
  for (const PeerInfo& peer : peers) hosts.insert(peer.host_id);
  std::set<std::pair<std::string, std::string>> taken;  // host, interface
  for (const HostInterface& candidate : peers[0].interfaces) {
    if (hosts.size() == 1) break;
    const auto attached = Attachments(peers, candidate.network);
    bool usable = !attached.empty();
    for (const auto& [host, interface] : attached) {
      usable = usable && taken.count({host, interface->name}) == 0;
    }
    if (!usable) continue;
    for (const auto& [host, interface] : attached) taken.insert({host, interface->name});
    networks.push_back(candidate.network);
  }
  if (networks.empty()) networks.emplace_back();
  return networks;
}

std::string EncodeProblems(const std::vector<std::string>& problems) {
  std::string blob;
  for (std::string problem : problems) {
    std::replace(problem.begin(), problem.end(), '\n', ' ');
    blob += problem + '\n';
  }
  return blob;
}

Status MergeProblems(const std::vector<std::string>& blobs, size_t candidates,
                     std::vector<std::string>* problems) {
  problems->assign(candidates, "");
  for (size_t rank = 0; rank < blobs.size(); ++rank) {
    std::istringstream in(blobs[rank]);
    for (std::string& problem : *problems) {
      std::string theirs;
      if (!std::getline(in, theirs)) {
        return Internal("rank " + std::to_string(rank) +
                        " knows of another number of networks than this rank");
      }
      if (problem.empty()) problem = theirs;
    }
  }
  return OkStatus();
}

}  // namespace tf_ddl
