#include "nccl/device.h"

#include <cstdio>

namespace tf_ddl {

ScopedContext::ScopedContext(const CudaApi& cuda, CuContext context) : cuda_(cuda) {
  cuda_.ctx_get_current(&before_);
  changed_ = before_ != context && cuda_.ctx_set_current(context) == kCudaSuccess;
}

ScopedContext::~ScopedContext() {
  if (changed_) cuda_.ctx_set_current(before_);
}

Status Device::Open(std::shared_ptr<const DeviceLibraries> libraries, int ordinal,
                    std::shared_ptr<Device>* device) {
  std::shared_ptr<Device> opened(new Device(std::move(libraries), ordinal));
  const CudaApi& cuda = opened->cuda();
  opened->name_ = "GPU " + std::to_string(ordinal);
  int count = 0;
  DDL_RETURN_IF_ERROR(opened->Check(cuda.device_get_count(&count), "cuDeviceGetCount"));
  if (ordinal < 0 || ordinal >= count) {
    return InvalidArgument("there is no GPU " + std::to_string(ordinal) +
                           ": the CUDA driver shows " + std::to_string(count) + " to this process");
  }
  DDL_RETURN_IF_ERROR(opened->Check(cuda.device_get(&opened->handle_, ordinal), "cuDeviceGet"));
  char name[256] = "";
  if (cuda.device_get_name(name, sizeof name, opened->handle_) == kCudaSuccess) {
    opened->name_ += " (" + std::string(name) + ")";
  }
  CuContext context = nullptr;
  DDL_RETURN_IF_ERROR(opened->Check(cuda.primary_ctx_retain(&context, opened->handle_),
                                    "cuDevicePrimaryCtxRetain"));
  opened->context_ = context;
  *device = std::move(opened);
  return OkStatus();
}

std::string Device::Uuid(const DeviceLibraries& libraries, int ordinal) {
  const CudaApi& cuda = libraries.cuda();
  CuDevice device = 0;
  CuUuid uuid = {};
  if (cuda.device_get(&device, ordinal) != kCudaSuccess ||
      cuda.device_get_uuid(&uuid, device) != kCudaSuccess) {
    return "";
  }
  std::string text;
  for (const char byte : uuid.bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
    text += digits;
  }
  return text;
}

Device::~Device() {
  if (context_ == nullptr || abandoned_) return;
  {
    const ScopedContext current = Use();
    for (const CuEvent event : free_events_) cuda().event_destroy(event);
  }
  cuda().primary_ctx_release(handle_);
}

Status Device::MakeCurrent() const {
  return Check(cuda().ctx_set_current(context_), "cuCtxSetCurrent");
}

Status Device::Check(CuResult result, const char* call) const {
  if (result == kCudaSuccess) return OkStatus();
  const char *error = nullptr, *text = nullptr;
  cuda().get_error_name(result, &error);
  cuda().get_error_string(result, &text);
  return Internal(std::string(call) + " failed on " + name_ + ": " +
                  (error != nullptr ? error : "error " + std::to_string(result)) + " (" +
                  (text != nullptr ? text : "unknown") + ")");
}

Status Device::NewStream(bool urgent, CuStream* stream) const {
  const ScopedContext current = Use();
  int least = 0, greatest = 0;
  DDL_RETURN_IF_ERROR(Check(cuda().ctx_get_stream_priority_range(&least, &greatest),
                            "cuCtxGetStreamPriorityRange"));
  return Check(
      cuda().stream_create_with_priority(stream, kCuStreamNonBlocking, urgent ? greatest : least),
      "cuStreamCreateWithPriority");
}

Status Device::NewEvent(std::shared_ptr<CudaEvent>* event) {
  CuEvent handle = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!free_events_.empty()) {
      handle = free_events_.back();
      free_events_.pop_back();
    }
  }
  if (handle == nullptr) {
    const ScopedContext current = Use();
    DDL_RETURN_IF_ERROR(
        Check(cuda().event_create(&handle, kCuEventDisableTiming), "cuEventCreate"));
  }
  event->reset(new CudaEvent(handle), [self = shared_from_this()](CudaEvent* e) {
    std::lock_guard<std::mutex> lock(self->mutex_);
    self->free_events_.push_back(e->get());
    delete e;
  });
  return OkStatus();
}

Status Device::Record(void* stream, std::shared_ptr<DeviceEvent>* event) {
  const ScopedContext current = Use();
  std::shared_ptr<CudaEvent> made;
  DDL_RETURN_IF_ERROR(NewEvent(&made));
  DDL_RETURN_IF_ERROR(
      Check(cuda().event_record(made->get(), static_cast<CuStream>(stream)), "cuEventRecord"));
  *event = std::move(made);
  return OkStatus();
}

bool Device::Reached(const DeviceEvent& event) const {
  const ScopedContext current = Use();
  return cuda().event_query(static_cast<const CudaEvent&>(event).get()) != kCudaErrorNotReady;
}

}  // namespace tf_ddl
