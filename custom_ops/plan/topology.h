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

  int size() const;                 // ranks
  std::vector<int> HostOf() const;  // by rank: index into hosts
  bool uniform() const;             // every host has as many ranks
  bool OnOneHost() const { return hosts.size() <= 1; }
};

// "4x8x8" as numbers, X first. kInvalidArgument, with the numbers
// that do not fit, unless it makes `size` ranks (0: any number).
Status ParseGrid(const std::string& text, int size, std::vector<int>* grid);
std::string GridText(const std::vector<int>& grid);

// Sets `rails` to the networks on which every host has an interface, in the first host's order.
void DeriveRails(Topology* topology);

// kInvalidArgument unless every rank from 0 on is on exactly one host, hosts stand in order of
// their lowest rank, there is a rail, and a grid makes as many ranks as there are.
Status Validate(const Topology& topology);

// For handing from process to process: lines of words, in which blanks are escaped. Parse refuses
// malformed input and topologies that are not valid; it derives the rails if none are named.
std::string Serialize(const Topology& topology);
Status Parse(const std::string& text, Topology* topology);

// The cost of a message of n bytes: alpha + n * beta.
struct LinkCost {
  double alpha = 0;  // seconds
  double beta = 0;   // seconds per byte
};

// What was measured, or described, of a job's links.
struct LinkModel {
  LinkCost local;               // within a host, while all of its ranks move data at once
  double gamma = 0;             // seconds per byte of adding
  std::vector<LinkCost> rails;  // between hosts, by rail: the usual cost
  std::map<std::tuple<int, int, int>, LinkCost> exceptions;  // (rail, from host, to host)

  const LinkCost& Between(int rail, int from_host, int to_host) const;
};

// What is assumed of links that nobody measured: processes of one host that read each other's
// memory, 10 Gbit/s Ethernet between hosts.
LinkModel UsualLinks(int rails);

// kInvalidArgument unless all costs are finite and not negative, betas between hosts are above 0,
// and there is one cost for each rail of `topology`.
Status Validate(const LinkModel& links, const Topology& topology);

std::string Serialize(const LinkModel& links);
Status Parse(const std::string& text, LinkModel* links);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_TOPOLOGY_H_
