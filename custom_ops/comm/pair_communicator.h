// The communicator over pairs: what the host and the loopback communicator have in common, which
// is everything but how the pairs come about.
#ifndef TF_DDL_COMM_PAIR_COMMUNICATOR_H_
#define TF_DDL_COMM_PAIR_COMMUNICATOR_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/plan_run.h"
#include "transport/mesh.h"

namespace tf_ddl {

// Which plan for which size; measured in docs/benchmarks.md.
struct PlanChoice {
  int64_t direct_bytes = 16 << 10;  // up to here, everything to everybody
  int64_t lane_bytes = 512 << 10;   // per lane and rank
  int max_lanes = 4;                // under way at a time, per collective
};

class PairCommunicator : public Communicator, public PairEvents {
 public:
  static Status Create(int rank, Mesh mesh, const PlanChoice& choice,
                       std::unique_ptr<Communicator>* communicator);
  ~PairCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(mesh_.pairs.size()); }
  std::string HostOf(int rank) const override;
  std::string TransportTo(int rank) const override;
  const std::vector<std::string>& Rails() const override { return mesh_.rails; }
  std::vector<LinkStats> LinksTo(int rank) const override;
  Plan PlanAllReduce(int64_t count, DType dtype) const override;

  void set_events(CommunicatorEvents* events) override { events_ = events; }
  void Start(std::unique_ptr<Collective> collective) override;
  void SendControl(int peer, ControlKind kind, const std::string& payload) override;
  bool Poll() override;
  void Wait(Deadline deadline) override;
  void Wake() override;
  void Close(const Status& status) override;
  std::string DescribeWaiting() const override;

  // PairEvents
  void OnControl(int peer, ControlKind kind, std::string payload) override;
  void OnBye(int peer) override;
  void OnFailure(int peer, const Status& status) override;

 private:
  PairCommunicator(int rank, Mesh mesh, const PlanChoice& choice);
  Status OpenPoller();
  void ForgetSockets(int peer);
  void CheckSockets(int millis);
  void CheckGonePeers();

  const int rank_;
  Mesh mesh_;
  const PlanChoice choice_;
  CommunicatorEvents* events_ = nullptr;
  PlanRun::Wires wires_;
  std::vector<std::unique_ptr<PlanRun>> runs_;
  std::vector<bool> readable_;                 // by rank: epoll saw something on the socket
  std::vector<std::vector<bool>> want_write_;  // by rank and socket: as registered with epoll
  std::vector<bool> gone_;                     // by rank: said goodbye
  int polls_since_check_ = 0;
  bool all_pull_ = true;  // every peer's memory can be read in place
  bool failed_ = false;
  bool closed_ = false;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::atomic<bool> wake_pending_{false};
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_PAIR_COMMUNICATOR_H_
