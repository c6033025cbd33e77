// The communicator over pairs: what the host and the loopback communicator have in common, which
// is everything but how the pairs come about.
#ifndef TF_DDL_COMM_PAIR_COMMUNICATOR_H_
#define TF_DDL_COMM_PAIR_COMMUNICATOR_H_

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/huge_pages.h"
#include "comm/communicator.h"
#include "comm/plan_run.h"
#include "transport/mesh.h"

namespace tf_ddl {

class PairCommunicator : public Communicator, public PairEvents {
 public:
  // `topology`: of the mesh, or what the user says of it; valid.
  static Status Create(int rank, Mesh mesh, Topology topology, const CommOptions& options,
                       std::unique_ptr<PairCommunicator>* communicator);
  ~PairCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(mesh_.pairs.size()); }
  std::string HostOf(int rank) const override;
  std::string TransportTo(int rank) const override;
  std::vector<LinkStats> LinksTo(int rank) const override;
  std::vector<LinkStats> ReadLinksTo(int rank) const override;
  std::vector<RailUse> RailUses() const override;
  const Topology& topology() const override { return topology_; }
  const LinkModel& links() const override { return links_; }
  void set_links(LinkModel links) { links_ = std::move(links); }
  bool all_pull() const override { return all_pull_; }
  int max_sockets() const override;
  void UseSockets(int n) override;
  // For measuring: null for this rank.
  Pair* pair(int rank) const { return wires_.pairs[rank]; }

  void set_events(CommunicatorEvents* events) override { events_ = events; }
  void Hold(int peer, ControlKind kind, std::string payload) override;
  void Start(std::unique_ptr<Collective> collective) override;
  void SendControl(int peer, ControlKind kind, const std::string& payload) override;
  bool Poll() override;
  bool PrepareSleep() override;
  void Sleep(Deadline deadline) override;
  void AfterSleep() override;
  void CancelSleep() override;
  void HoldBells(bool hold) override;
  bool all_memory() const override { return all_memory_; }
  void Wake() override;
  void Close(const Status& status) override;
  std::string DescribeWaiting() const override;

  // PairEvents
  void OnControl(int peer, ControlKind kind, std::string payload) override;
  void OnBye(int peer) override;
  void OnFailure(int peer, const Status& status) override;

 private:
  PairCommunicator(int rank, Mesh mesh, Topology topology, const CommOptions& options);
  Status OpenPoller();
  void ForgetSockets(int peer);
  void CheckSockets();
  void UpdateInterest();
  void Note(const epoll_event* events, int n);
  void CheckGonePeers();

  const int rank_;
  Mesh mesh_;
  const Topology topology_;
  const CommOptions options_;
  LinkModel links_;
  CommunicatorEvents* events_ = nullptr;
  PlanRun::Wires wires_;
  std::vector<std::unique_ptr<PlanRun>> runs_;
  std::vector<bool> readable_;                 // by rank: epoll saw something on the socket
  std::vector<std::vector<bool>> want_write_;  // by rank and socket: as registered with epoll
  struct Held {
    int peer;
    ControlKind kind;
    std::string payload;
  };
  std::vector<Held> held_;
  std::vector<bool> gone_;  // by rank: said goodbye
  int polls_since_check_ = 0;
  bool all_pull_ = true;  // every peer's memory can be read in place
  bool any_pull_ = false;
  HugePages huge_pages_;
  bool all_memory_ = true;  // no data travels by socket
  bool failed_ = false;
  bool closed_ = false;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::array<epoll_event, 64> slept_;  // what ended the last Sleep; progress thread
  int num_slept_ = 0;
  std::atomic<bool> wake_pending_{false};
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_PAIR_COMMUNICATOR_H_
