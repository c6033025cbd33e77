// Rails are the networks that all hosts of a job share; data travels on all of them at once. Here
// the candidates are found from what the ranks tell about themselves; whether messages get through
// is found out by connecting (assembly.h).
#ifndef TF_DDL_TRANSPORT_RAILS_H_
#define TF_DDL_TRANSPORT_RAILS_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "transport/mesh.h"

namespace tf_ddl {

// The address by which `peer` is attached to `network`: the first, if there are several; null if
// there is none.
const HostInterface* OnNetwork(const PeerInfo& peer, const std::string& network);

// Networks of all hosts, in the order of rank 0's interfaces; {""} if there is none or only one
// host. Left out are networks on which two hosts have the same address (each has a private one of
// that name, as Docker makes them) and those that share an interface with one before (rails are to
// be independent of each other).
std::vector<std::string> CommonNetworks(const std::vector<PeerInfo>& peers);

// What a rank tells the others after it has connected: by candidate, "" or why it cannot be used.
std::string EncodeProblems(const std::vector<std::string>& problems);
// Joins what all ranks tell; of several problems of one candidate the first is kept.
Status MergeProblems(const std::vector<std::string>& blobs, size_t candidates,
                     std::vector<std::string>* problems);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_RAILS_H_
