// Where the ranks of a job are, and what joins them.
#ifndef TF_DDL_PLAN_TOPOLOGY_H_
#define TF_DDL_PLAN_TOPOLOGY_H_

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/status.h"

namespace tf_ddl {

// A network interface of a host. `network` names what it is attached to ("10.1.0.0/24"):
// interfaces of different hosts with the same network reach each other.
struct Interface {
  std::string name;
  std::string address;
  std::string network;
};

struct Host {
  std::string name;
  std::vector<int> ranks;  // ascending
  std::vector<Interface> interfaces;
  int gpus = 0;
};

// A rail is a network that reaches every host: hosts with two interfaces each on two common
// networks have two rails. There is always at least one, if only by way of a router.
struct Topology {
  std::vector<Host> hosts;  // in order of their lowest rank
  std::vector<std::string> rails = {""};
  // The grid of ranks, X first (IBM's X-Y-Z), when the user gave one; else empty. Rank r stands at
  // x = r % X, y = r / X % Y, and so on.
  std::vector<int> grid;

  int size() const;             // ranks
  std::vector<int> HostOf() const;  // by rank: index into hosts
};

// The cost of a message of n bytes: alpha + n * beta.
struct LinkCost {
  double alpha = 0;  // seconds
  double beta = 0;   // seconds per byte
};

// What was measured, or described, of a job's links.
struct LinkModel {
  LinkCost local;                 // within a host, while all of its ranks move data at once
  double gamma = 0;               // seconds per byte of adding
  std::vector<LinkCost> rails;    // between hosts, by rail: the usual cost
  std::map<std::tuple<int, int, int>, LinkCost> exceptions;  // (rail, from host, to host)

  const LinkCost& Between(int rail, int from_host, int to_host) const;
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_TOPOLOGY_H_
