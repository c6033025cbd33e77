#include "transport/contact.h"

#include <sstream>
#include <utility>

namespace tf_ddl {

std::string Encode(const Contact& contact) {
  std::ostringstream out;
  out << contact.info.hostname << '\n'
      << contact.info.host_id << '\n'
      << contact.info.pid << '\n'
      << contact.port << '\n'
      << contact.sockets_per_rail << '\n'
      << contact.info.gpus << '\n'
      << contact.info.interfaces.size() << '\n';
  for (const HostInterface& each : contact.info.interfaces) {
    out << each.name << ' ' << each.address << ' ' << each.network << ' ' << each.speed_mbit
        << '\n';
  }
  for (const std::string& address : contact.addresses) out << address << '\n';
  return out.str();
}

Status Decode(const std::string& blob, int rank, Contact* contact) {
  std::istringstream in(blob);
  Contact out;
  out.info.rank = rank;
  std::getline(in, out.info.hostname);
  std::getline(in, out.info.host_id);
  size_t interfaces = 0;
  in >> out.info.pid >> out.port >> out.sockets_per_rail >> out.info.gpus >> interfaces;
  for (HostInterface each; out.info.interfaces.size() < interfaces;) {
    if (!(in >> each.name >> each.address >> each.network >> each.speed_mbit)) {
      out.port = 0;
      break;
    }
    out.info.interfaces.push_back(each);
  }
  for (std::string address; in >> address;) out.addresses.push_back(address);
  if (out.port < 1 || out.port > 65535 || out.info.pid < 1 || out.info.host_id.empty() ||
      out.sockets_per_rail < 1) {
    return Internal("rank " + std::to_string(rank) +
                    " described itself in a way that this rank does not understand: do all ranks "
                    "run the same version of tf_ddl?");
  }
  *contact = std::move(out);
  return OkStatus();
}

std::string NameOf(const PeerInfo& peer) {
  return "rank " + std::to_string(peer.rank) + " (host " + peer.hostname + ", pid " +
         std::to_string(peer.pid) + ")";
}

}  // namespace tf_ddl
