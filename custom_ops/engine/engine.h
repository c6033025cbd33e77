// The engine turns gradients that become ready one by one into few, large reductions.
//
// A *group* is the list of tensors of one all-reduce call as traced (all gradients of a model), or
// the single tensor of a broadcast or all-gather. Groups are registered once with equal
// specifications on every rank; rank 0 compares them once, and a difference is an error that names
// the tensor. Each time the step runs, every tensor of the group arrives once (a *call* of the
// group). Tensors ride in buckets; a bucket starts as soon as its last tensor has arrived. After
// the first call rank 0 tells everybody in which order its tensors arrived, and buckets are
// rebuilt once in that order. Nothing else is negotiated.
#ifndef TF_DDL_ENGINE_ENGINE_H_
#define TF_DDL_ENGINE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "comm/communicator.h"
#include "comm/device_communicator.h"
#include "engine/group_spec.h"

namespace tf_ddl {

struct EngineOptions {
  int64_t bucket_bytes = 4 << 20;
  int64_t first_bucket_bytes = 256 << 10;
  double timeout = 600.0;       // seconds a collective may wait for other ranks
  double stall_warning = 60.0;  // seconds after which a waiting collective is logged
  // Plans: an algorithm's name as PlanWishes has it, and bytes per lane and rank; empty and 0:
  // chosen by a model of the links.
  std::string plan;
  int64_t chunk_bytes = 0;
  // Bucket sizes, chunks and plans are tried while training and those that were measured best kept.
  bool autotune = true;
  bool tune_buckets = true;  // false: bucket_bytes stays as it is
  // Nothing that was measured decides: the same sums, bit for bit, from run to run.
  bool deterministic = false;
  // How float32 travels between hosts; of GPU memory, always.
  WireFormat compression = WireFormat::kAsIs;
  // The progress threads of the ranks of a host keep to separate cores, where they can.
  bool own_cores = true;

  // Buckets in GPU memory are larger, unless the user has said how large (tune_buckets false): a
  // collective there is a launch, and its links carry many times more.
  int64_t BucketBytes(bool device) const {
    return device && tune_buckets ? bucket_bytes * 4 : bucket_bytes;
  }
};

class Engine {
 public:
  using Done = std::function<void(const Status&)>;
  // Gives the memory for an all-gather's result, once `counts` (elements per rank) are known.
  using Allocate = std::function<Status(const std::vector<int64_t>& counts, void** out)>;

  // `communicator` null: a world of one. `device`: for groups in GPU memory; every rank has one, or
  // none has.
  static std::shared_ptr<Engine> Create(std::unique_ptr<Communicator> communicator,
                                        const EngineOptions& options,
                                        std::unique_ptr<DeviceCommunicator> device = nullptr);
  virtual ~Engine() = default;  // shuts down

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // How data travels to `rank`, and where it is: "cma", "host-a".
  virtual std::string TransportTo(int rank) const = 0;
  virtual std::string HostOf(int rank) const = 0;

  // Idempotent by key. Returns at once: a difference between ranks fails the job (every pending
  // and later call). `group` is the id to use below, the same on every rank.
  virtual Status RegisterGroup(const GroupSpec& spec, uint64_t* group) = 0;

  // All calls below: any thread, return at once; `done` runs exactly once, on the progress thread
  // (of GPU memory: on the device communicator's; or before returning, when nothing is to be done),
  // and must not block. Memory must stay valid until then. `out` may equal `in`; otherwise the two
  // must not overlap.
  virtual void AllReduce(uint64_t group, int index, const void* in, void* out, int64_t count,
                         Done done) = 0;
  // Of a group in GPU memory: nothing is read before what has been issued on `stream` has run, and
  // `stream` is not made to wait. A world of one takes `out` equal to `in` only.
  virtual void AllReduceOnDevice(uint64_t group, int index, const void* in, void* out,
                                 int64_t count, void* stream, Done done) = 0;
  virtual void Broadcast(uint64_t group, const void* in, void* out, int64_t count, Done done) = 0;
  virtual void AllGather(uint64_t group, const void* in, int64_t count, Allocate allocate,
                         Done done) = 0;

  // Runs `start`, which makes calls of this engine, and lends it the calling thread until
  // `finished` (of those calls) or until nothing has moved for a while: a caller that has to wait
  // anyway saves the way to the progress thread and back. Not from a Done.
  virtual void Lend(const std::function<void()>& start, const std::function<bool()>& finished) = 0;

  // Fails this rank's engine and tells every peer: pending and later calls end with `status`.
  virtual void Abort(const Status& status) = 0;
  // The failure, once there is one.
  virtual Status health() const = 0;

  // Says goodbye to the peers and stops the progress thread. Idempotent.
  virtual void Shutdown() = 0;

  // What happened so far, as JSON (see docs/architecture.md).
  virtual std::string StatsJson() const = 0;
  // Topology, links, plans and how long buckets took, as JSON (see capi/ddl.h).
  virtual std::string PlansJson() const = 0;
  // The last recorded calls: when each tensor arrived, each bucket started and ended (seconds on
  // the monotonic clock). Recording costs little and is on while `enabled`.
  virtual void RecordTimeline(bool enabled) = 0;
  virtual std::string TimelineJson() const = 0;
};

// Engines by handle, so that an op kernel can find the one its graph was traced for.
int64_t PublishEngine(std::shared_ptr<Engine> engine);
std::shared_ptr<Engine> FindEngine(int64_t handle);  // null when unknown or withdrawn
void WithdrawEngine(int64_t handle);

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_ENGINE_H_
