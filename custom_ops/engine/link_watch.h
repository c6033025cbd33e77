// Rank 0's view of the links between hosts while training: keeps the model of them true.
//
// The probe at the start says what links cost; use says how they do. What is compared is how the
// hosts send over a rail in one epoch (is one slow?), and how the rails do in one epoch (their
// shares), each beside what the probe says. Only precise rates count, so links are seen while plans
// send to one peer on each rail, as rings do.
#ifndef TF_DDL_ENGINE_LINK_WATCH_H_
#define TF_DDL_ENGINE_LINK_WATCH_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/report.h"
#include "plan/topology.h"

namespace tf_ddl {

class LinkWatch {
 public:
  LinkWatch(Topology topology, LinkModel measured);

  // What a rank on `host` sent since its last report, by rail.
  void Add(int host, const std::vector<RailReport>& rails);

  // Takes in what was added; true if the model has changed so much that plans should be reviewed.
  bool Update();
  const LinkModel& model() const { return model_; }
  // What is to be told: "the link of host host-a to rail 0 (eth0, 10.1.0.0/24) carries 2.4 MB/s,
  // where 24.1 MB/s were to be expected"; emptied by the call.
  std::vector<std::string> TakeNews();

 private:
  using Key = std::pair<int, int>;  // rail, host
  struct Link {
    double bytes = 0;    // of the host's ranks since the last Update
    double seconds = 0;  // of the one that took longest
    double precise = 0;  // sum of their connections' rates, if all know it
    bool imprecise = false;
    double relative = 0;  // rate of the epoch, as a part of what the probe says; 0: not known
    double factor = 1;    // as a part of the rail's usual; while it is slow, as the model has it
    bool slow = false;
  };

  double ProbedBeta(const Key& key) const;
  void CloseEpoch(const Key& key, Link* link);
  // The usual relative rate of the rail's links in this epoch; 0 if too few carried anything.
  double UsualOf(int rail) const;
  bool UpdateLink(const Key& key, double usual, Link* link);
  bool UpdateRails(const std::vector<double>& usual);
  void MakeModel();
  std::string Describe(const Key& key) const;

  const Topology topology_;
  const LinkModel measured_;
  LinkModel model_;
  std::map<Key, Link> links_;
  std::vector<double> rail_scale_;  // corrections of the rails' beta
  std::vector<double> rail_seen_;   // the same as they come in, smoothed; 0: none yet
  std::vector<std::string> news_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_LINK_WATCH_H_
