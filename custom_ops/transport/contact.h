// What a rank tells the others about itself, by way of the store: which host it runs on and where
// it listens for connections.
#ifndef TF_DDL_TRANSPORT_CONTACT_H_
#define TF_DDL_TRANSPORT_CONTACT_H_

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

std::string Encode(const Contact& contact);
Status Decode(const std::string& blob, int rank, Contact* contact);

// "rank 2 (host b, pid 71)"
std::string NameOf(const PeerInfo& peer);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_CONTACT_H_
