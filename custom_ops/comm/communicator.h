// A Communicator runs plans among the ranks of a job. Implementations are equals behind this
// interface: host (processes, comm/host.h), loopback (threads, comm/loopback.h), NCCL later.
//
// Threading: everything but Wake, Rails and LinksTo is called by one thread, the engine's progress
// thread.
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
#include "plan/plan.h"
#include "transport/pair.h"

namespace tf_ddl {

// One tensor's place in a bucket. The bucket's elements are the concatenation of its segments;
// nothing is packed.
struct Segment {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t count = 0;  // elements
};

// A collective to run: the plan's element ranges refer to the concatenated segments.
struct Collective {
  Tag tag;  // tag.part is filled in by the communicator
  Plan plan;
  DType dtype = DType::kFloat32;
  ReduceOp op = ReduceOp::kSum;
  std::vector<Segment> segments;
  std::string name;  // for errors: "bucket 3 of group 'fit' (dense/kernel ... dense_1/bias)"
  std::function<void()> done;  // runs once, on success only
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
  // The networks that lanes can choose from (see Mesh); does not change.
  virtual const std::vector<std::string>& Rails() const = 0;
  // The sockets that carry data to `rank`, with no more than bytes_written filled in. Any thread.
  virtual std::vector<LinkStats> LinksTo(int rank) const = 0;
  // The plan for an all-reduce of `count` elements.
  virtual Plan PlanAllReduce(int64_t count, DType dtype) const = 0;

  virtual void set_events(CommunicatorEvents* events) = 0;
  virtual void Start(std::unique_ptr<Collective> collective) = 0;
  virtual void SendControl(int peer, ControlKind kind, const std::string& payload) = 0;
  // Makes progress; true if anything moved.
  virtual bool Poll() = 0;
  // Sleeps until something can be done, Wake is called or the deadline passes.
  virtual void Wait(Deadline deadline) = 0;
  // Any thread. Ends a Wait, the current one or the next.
  virtual void Wake() = 0;
  // Forgets all collectives, tells the peers (`status` not ok: abort; ok: goodbye) and closes.
  virtual void Close(const Status& status) = 0;
  // Ranks whose messages the running collectives wait for, as text; for stall reports.
  virtual std::string DescribeWaiting() const = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_COMMUNICATOR_H_
