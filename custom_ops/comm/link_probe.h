// What links cost, measured among the ranks before the first collective.
//
//   * Within hosts: ranks of a host, two by two, all at the same time: small messages back and
//     forth (alpha), then large ones both ways (beta). Every rank times its adding (gamma).
//   * Between hosts: the lowest ranks of the hosts meet two by two in the rounds of a tournament,
//     so that no host has two guests at once. On each rail: small messages back and forth, then
//     one after the other sends twice; the receiver times the second message, for which whatever
//     the network lets pass in a burst has been used up, and the size grows until that takes a few
//     milliseconds. The sender times both together: where the two views differ, one of the
//     processes did not get its core in time, and the transfer is repeated. Large jobs play a few
//     rounds only, and the usual cost stands for the rest.
//
// All measurements go to rank 0, which makes one LinkModel of them and sends it to everybody.
#ifndef TF_DDL_COMM_LINK_PROBE_H_
#define TF_DDL_COMM_LINK_PROBE_H_

#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "comm/pair_communicator.h"
#include "plan/topology.h"

namespace tf_ddl {

// Sets the communicator's links: as rank 0's `options` say, given, measured or the usual ones.
// Every rank calls it at the same time, before any collective. kInvalidArgument if the given links
// do not fit the topology; kDeadlineExceeded names the rank that did not answer.
Status LearnLinks(PairCommunicator* communicator, const CommOptions& options, Deadline deadline);

// One measured link. Hosts and rail are -1 for what was measured within a host.
struct LinkSample {
  int rail = -1;
  int from = -1;
  int to = -1;
  LinkCost cost;
  double gamma = 0;  // of a rank; with rail -1
};

// For the wire: a line. Parse reads any number of them, and refuses malformed ones and links that
// the topology does not have.
std::string Serialize(const LinkSample& sample);
Status Parse(const std::string& text, const Topology& topology, std::vector<LinkSample>* samples);

// The model: medians by class, and the links that are slower than theirs by more than half.
LinkModel ModelOf(const std::vector<LinkSample>& samples, const Topology& topology);

// Who meets whom: by round, pairs of hosts (lower first). At most `max_rounds` rounds.
std::vector<std::vector<std::pair<int, int>>> Tournament(int hosts, int max_rounds);

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_LINK_PROBE_H_
