#include "transport/host_info.h"

#include <unistd.h>

#include <climits>
#include <fstream>
#include <sstream>

namespace tf_ddl {
namespace {

std::string Namespace(const char* kind) {
  char target[128] = {};
  const std::string path = std::string("/proc/self/ns/") + kind;
  const ssize_t n = readlink(path.c_str(), target, sizeof target - 1);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : "none";
}

}  // namespace

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = "unknown";
  gethostname(name, sizeof name - 1);
  return name;
}

std::string HostId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  if (!std::getline(file, boot) || boot.empty()) {
    return HostName() + "/" + std::to_string(getpid());  // unknown: shared with nobody
  }
  return boot + "/" + Namespace("pid") + "/" + Namespace("net") + "/" + Namespace("user") + "/" +
         std::to_string(getuid());
}

std::string Encode(const Contact& contact) {
  std::ostringstream out;
  out << contact.info.hostname << '\n'
      << contact.info.host_id << '\n'
      << contact.info.pid << '\n'
      << contact.port << '\n';
  for (const std::string& address : contact.addresses) out << address << '\n';
  return out.str();
}

Status Decode(const std::string& blob, int rank, Contact* contact) {
  std::istringstream in(blob);
  Contact out;
  out.info.rank = rank;
  std::getline(in, out.info.hostname);
  std::getline(in, out.info.host_id);
  in >> out.info.pid >> out.port;
  for (std::string address; in >> address;) out.addresses.push_back(address);
  if (out.port < 1 || out.port > 65535 || out.info.pid < 1 || out.info.host_id.empty()) {
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
