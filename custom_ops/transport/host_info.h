// What a rank tells the others about where it is.
#ifndef TF_DDL_TRANSPORT_HOST_INFO_H_
#define TF_DDL_TRANSPORT_HOST_INFO_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "transport/mesh.h"

namespace tf_ddl {

struct Contact {
  PeerInfo info;
  int port = 0;
  int sockets_per_rail = 1;
  std::vector<std::string> addresses;  // best first
};

std::string HostName();

// Equal for processes that can share memory and reach each other over 127.0.0.1: one boot of one
// kernel, the same namespaces, the same user.
std::string HostId();

std::string Encode(const Contact& contact);
Status Decode(const std::string& blob, int rank, Contact* contact);

// "rank 2 (host b, pid 71)"
std::string NameOf(const PeerInfo& peer);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_HOST_INFO_H_
