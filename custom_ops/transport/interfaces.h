// The network interfaces of this host that lead to other hosts, and the number of its GPUs: what a
// rank tells the others about its host.
#ifndef TF_DDL_TRANSPORT_INTERFACES_H_
#define TF_DDL_TRANSPORT_INTERFACES_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "transport/mesh.h"

namespace tf_ddl {

// Addresses of the interfaces that are up and have a carrier, IPv4 first; neither loopback nor
// addresses that mean nothing on other hosts (link-local).
std::vector<HostInterface> UsableInterfaces();

// Keeps those that `names` ("eth0,eth1") lists, in that order; empty keeps all. kInvalidArgument: a
// name that is none of them.
Status SelectInterfaces(const std::string& names, const std::string& hostname,
                        std::vector<HostInterface>* interfaces);

// NVIDIA's; without asking the driver.
int CountGpus();

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_INTERFACES_H_
