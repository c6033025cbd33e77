// Predicts how long an all-reduce takes, from its specification and not from its steps, so that
// hundreds of candidates for a thousand ranks are costed in milliseconds.
//
// Resources: each host has, on each rail, a NIC that sends and receives at the same time, each at
// 1/beta of the rail; a path named in LinkModel::exceptions is a resource of its own; each rank
// moves bytes within its host at 1/local.beta and adds at 1/gamma. A lane is a chain of rounds,
// each of which takes the largest alpha of its links (a round is over when its sends are) and the
// time of its busiest resource. Lanes overlap: beyond
// the first, a lane costs what its busiest resource needs, or its share of the chain if too few
// lanes are under way to fill the links. Colours run beside each other and share what they share.
#ifndef TF_DDL_PLAN_COST_H_
#define TF_DDL_PLAN_COST_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "plan/choose.h"
#include "plan/topology.h"

namespace tf_ddl {

// What one colour costs, by byte of its share of the bucket.
struct ColourCost {
  struct Phase {
    int rounds = 0;
    double alpha = 0;     // seconds a round
    double per_byte = 0;  // seconds a round, by byte of the lane
  };
  std::vector<Phase> phases;
  double messages = 0;            // of the busiest rank, by lane
  double rank_busy = 0;           // seconds by byte: the busiest rank's own work
  std::vector<double> send_busy;  // by host: its NIC on the colour's rail
  std::vector<double> receive_busy;
  double path_busy = 0;  // the busiest exceptional path
  int crossings = 0;     // kinds of rounds with messages between hosts, each with a peer of its own

  double Latency() const;  // of a lane without bytes
  double Busiest() const;  // seconds by byte of the busiest resource
};

class CostModel {
 public:
  // Lanes of a colour under way at a time; what the executor does.
  static constexpr int kLanesUnderWay = 4;

  // Both must be valid and outlive the model.
  CostModel(const Topology& topology, const LinkModel& links);

  ColourCost Of(const Colour& colour) const;

  // `costs[i]`: of `spec.colours[i]`. `bytes`: of the whole bucket.
  double Seconds(const PlanSpec& spec, const std::vector<ColourCost>& costs, int64_t bytes) const;
  double Seconds(const PlanSpec& spec, int64_t bytes) const;

  const Topology& topology() const { return topology_; }
  const LinkModel& links() const { return links_; }
  const std::vector<int>& host_of() const { return host_of_; }

 private:
  class Rounds;
  struct Nic {
    double send_beta = 0;
    double receive_beta = 0;
  };

  void AddLine(const Colour& colour, ColourCost* cost) const;
  void AddExchange(bool everything, const Colour& colour, ColourCost* cost) const;
  void AddHalving(const Colour& colour, ColourCost* cost) const;
  void AddByHost(const Colour& colour, ColourCost* cost) const;

  const Topology& topology_;
  const LinkModel& links_;
  const std::vector<int> host_of_;
  std::vector<std::vector<Nic>> nics_;  // by rail and host
  double overhead_ = 0;                 // seconds of a rank's own time for each message
};

// Once only; for many, make a CostModel.
double PredictSeconds(const PlanSpec& spec, const Topology& topology, const LinkModel& links,
                      int64_t bytes);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_COST_H_
