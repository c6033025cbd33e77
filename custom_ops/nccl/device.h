// The GPU as this process uses it: its primary context, which TensorFlow and NCCL use too, and what
// is made in it. Everything may be called by any thread.
#ifndef TF_DDL_NCCL_DEVICE_H_
#define TF_DDL_NCCL_DEVICE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "comm/device_communicator.h"
#include "nccl/cuda_abi.h"
#include "nccl/libraries.h"

namespace tf_ddl {

// Makes a context current for a while.
class ScopedContext {
 public:
  ScopedContext(const CudaApi& cuda, CuContext context);
  ~ScopedContext();
  ScopedContext(const ScopedContext&) = delete;
  ScopedContext& operator=(const ScopedContext&) = delete;

 private:
  const CudaApi& cuda_;
  CuContext before_ = nullptr;
  bool changed_ = false;
};

class CudaEvent : public DeviceEvent {
 public:
  explicit CudaEvent(CuEvent event) : event_(event) {}
  CuEvent get() const { return event_; }

 private:
  const CuEvent event_;
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  // kInvalidArgument if there is no such GPU.
  static Status Open(std::shared_ptr<const DeviceLibraries> libraries, int ordinal,
                     std::shared_ptr<Device>* device);
  ~Device();
  // Of GPU `ordinal`: 32 hexadecimal digits; "" if the driver does not say.
  static std::string Uuid(const DeviceLibraries& libraries, int ordinal);

  const CudaApi& cuda() const { return libraries_->cuda(); }
  const DeviceLibraries& libraries() const { return *libraries_; }
  const std::string& name() const { return name_; }  // "GPU 0 (NVIDIA H100 80GB HBM3)"

  // Makes the GPU the calling thread's own; for threads of ours.
  Status MakeCurrent() const;
  // The same until the result goes out of scope; for threads of others.
  ScopedContext Use() const { return ScopedContext(cuda(), context_); }
  // kInternal, naming call and GPU, unless it succeeded.
  Status Check(CuResult result, const char* call) const;

  // Does not wait for the default stream, nor it for this one. `urgent`: before others.
  Status NewStream(bool urgent, CuStream* stream) const;
  // From the pool; goes back when its last owner lets go of it, who keeps the device alive.
  Status NewEvent(std::shared_ptr<CudaEvent>* event);
  // As RecordReady: from a thread whose current context may be another.
  Status Record(void* stream, std::shared_ptr<DeviceEvent>* event);

  // Whether everything before the event has run.
  bool Reached(const DeviceEvent& event) const;

  // After something has hung: nothing is given back, since that might hang as well.
  void Abandon() { abandoned_ = true; }
  bool abandoned() const { return abandoned_; }

 private:
  Device(std::shared_ptr<const DeviceLibraries> libraries, int ordinal)
      : libraries_(std::move(libraries)), ordinal_(ordinal) {}

  const std::shared_ptr<const DeviceLibraries> libraries_;
  const int ordinal_;
  CuDevice handle_ = 0;
  CuContext context_ = nullptr;
  std::string name_;
  std::atomic<bool> abandoned_{false};
  std::mutex mutex_;
  std::vector<CuEvent> free_events_;  // guarded by mutex_
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_DEVICE_H_
