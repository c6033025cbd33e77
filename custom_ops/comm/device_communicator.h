// A DeviceCommunicator reduces buckets that are in GPU memory; the data never visits the host.
// It stands beside a job's Communicator, which goes on carrying control frames and host memory.
//
// Threading: Start is called by one thread at a time, in the order that all ranks have agreed on:
// the n'th Start of every rank is the same collective. It returns at once. All calls of the device
// library are made by one thread of the communicator's own, in that order; `done` runs on another
// one, which waits for the device. RecordReady, Abort and the descriptions: any thread.
#ifndef TF_DDL_COMM_DEVICE_COMMUNICATOR_H_
#define TF_DDL_COMM_DEVICE_COMMUNICATOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "base/wire.h"
#include "comm/communicator.h"
#include "plan/device_plan.h"

namespace tf_ddl {

// A point on a stream of the device. Goes back to the communicator's pool when the last owner lets
// go of it.
class DeviceEvent {
 public:
  virtual ~DeviceEvent() = default;
};

struct DeviceCollective {
  DType dtype = DType::kFloat32;
  ReduceOp op = ReduceOp::kSum;
  WireFormat wire = WireFormat::kAsIs;  // of float32: cast on the device before it travels
  DevicePlan plan;
  std::vector<TensorSegment> segments;              // device memory
  std::vector<std::shared_ptr<DeviceEvent>> ready;  // nothing is read before all of them
  std::string name;  // for errors: "bucket 3 of group 'fit' (dense/kernel ... dense_1/bias)"
  // Exactly once: OK after the results are in device memory, else why not. Must not block.
  std::function<void(const Status&)> done;
};

class DeviceCommunicator {
 public:
  virtual ~DeviceCommunicator() = default;  // as Abort, if anything is under way

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // "NCCL 2.28.3, GPU 0 (NVIDIA H100), 1 communicator"
  virtual std::string Describe() const = 0;
  // What can be chosen from for a bucket of `bytes`, the one predicted fastest first.
  virtual std::vector<DevicePlan> Plans(int64_t bytes) const = 0;

  // Marks what has been issued so far on `stream` (a CUstream of this communicator's device).
  virtual Status RecordReady(void* stream, std::shared_ptr<DeviceEvent>* event) = 0;
  virtual void Start(std::unique_ptr<DeviceCollective> collective) = 0;
  // Ends everything that is under way on this rank with `status`, also what hangs in the device
  // library, and refuses what comes later. Idempotent. Returns within two seconds.
  virtual void Abort(const Status& status) = 0;
  // Called once, on a thread of the communicator's, when the device or its library has failed.
  virtual void set_on_failure(std::function<void(const Status&)> on_failure) = 0;
  // The last collectives, one a line: name, bytes, plan, waiting for its tensors, under way since,
  // or finished; for the report on a stuck job.
  virtual std::string DescribeLast() const = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_DEVICE_COMMUNICATOR_H_
