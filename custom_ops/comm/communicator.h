// A Communicator runs plans among the ranks of a job. Implementations are equals behind this
// interface: host (processes, comm/host.h), loopback (threads, also there), NCCL later.
//
// Threading: one thread at a time calls it, the one that holds the engine's right to drive; but
// Wake and LinksTo may be called by any thread, and Sleep while another thread drives.
#ifndef TF_DDL_COMM_COMMUNICATOR_H_
#define TF_DDL_COMM_COMMUNICATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "base/time.h"
#include "base/wire.h"
#include "comm/rail_meter.h"
#include "plan/plan.h"
#include "plan/topology.h"
#include "transport/pair.h"

namespace tf_ddl {

// One tensor's place in a bucket. The bucket's elements are the concatenation of its segments;
// nothing is packed.
struct TensorSegment {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t count = 0;  // elements
};

// A collective to run: the plan's element ranges refer to the concatenated segments.
struct Collective {
  Tag tag;  // tag.part is filled in by the communicator
  std::shared_ptr<const Plan> plan;
  DType dtype = DType::kFloat32;
  ReduceOp op = ReduceOp::kSum;
  WireFormat wire = WireFormat::kAsIs;  // of float32 between hosts; the same on every rank
  std::vector<TensorSegment> segments;
  std::string name;  // for errors: "bucket 3 of group 'fit' (dense/kernel ... dense_1/bias)"
  std::function<void()> done;  // runs once, on success only
};

// How a communicator over pairs works.
struct CommOptions {
  int max_lanes = 4;          // under way at a time, per colour of a collective
  bool narrow_all = false;    // 16-bit wire formats also where memory is shared (for tests)
  bool measure_links = true;  // else: the usual costs are assumed
  bool huge_pages = true;     // put large pages under tensors that peers read in place
  // What the user says of the topology: a grid, or all of it as text (plan/topology.h).
  std::string grid;
  std::string topology;
  std::string links;  // a LinkModel as text; nothing is measured then
};

class CommunicatorEvents {
 public:
  virtual ~CommunicatorEvents() = default;
  virtual void OnControl(int peer, ControlKind kind, std::string payload) = 0;
  // A peer left in good order; only a failure if something still needs it.
  virtual void OnBye(int peer) = 0;
  // No collective can finish any more. Called once.
  virtual void OnFailure(int peer, const Status& status) = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string HostOf(int rank) const = 0;
  // How data travels to `rank`: "cma", "shm", "tcp", "memory", "self".
  virtual std::string TransportTo(int rank) const = 0;
  // The sockets that carry data to `rank`, with no more than bytes_written filled in. Any thread.
  virtual std::vector<LinkStats> LinksTo(int rank) const = 0;
  // The same as the kernel sees them now.
  virtual std::vector<LinkStats> ReadLinksTo(int rank) const = 0;
  // What this rank has sent to other hosts, by rail.
  virtual std::vector<RailUse> RailUses() const = 0;
  // Where the ranks are, and what was measured of the links between them. Constant.
  virtual const Topology& topology() const = 0;
  virtual const LinkModel& links() const = 0;
  // Whether every peer's memory can be read in place.
  virtual bool all_pull() const = 0;
  // How many sockets there are on a rail to another host, and how many of them to use (0: all).
  virtual int max_sockets() const = 0;
  virtual void UseSockets(int n) = 0;

  virtual void set_events(CommunicatorEvents* events) = 0;
  // Keeps a control frame, a goodbye included, for the next events.
  virtual void Hold(int peer, ControlKind kind, std::string payload) = 0;
  virtual void Start(std::unique_ptr<Collective> collective) = 0;
  virtual void SendControl(int peer, ControlKind kind, const std::string& payload) = 0;
  // Makes progress; true if anything moved.
  virtual bool Poll() = 0;
  // Before a Sleep: from now on peers give a sign when there is something to do. False if there is
  // something already; do not sleep then.
  virtual bool PrepareSleep() = 0;
  // Progress thread. Sleeps until there is something to do, Wake is called or the deadline passes.
  virtual void Sleep(Deadline deadline) = 0;
  // After a Sleep: takes in what ended it. Also ends the effect of PrepareSleep.
  virtual void AfterSleep() = 0;
  // Ends the effect of PrepareSleep, when another thread takes over the driving.
  virtual void CancelSleep() = 0;
  // See Pair: for a thread that drives and will be back soon, as its peers' threads will.
  virtual void HoldBells(bool hold) = 0;
  // Whether a thread that drives sees all there is to see by Poll alone: no data comes by socket.
  virtual bool all_memory() const = 0;
  // Any thread. Ends a Sleep, the current one or the next.
  virtual void Wake() = 0;
  // Forgets all collectives, tells the peers (`status` not ok: abort; ok: goodbye) and closes.
  virtual void Close(const Status& status) = 0;
  // Ranks whose messages the running collectives wait for, as text; for stall reports.
  virtual std::string DescribeWaiting() const = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_COMMUNICATOR_H_
