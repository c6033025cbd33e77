// TEST CODE: see fake_control.h. The CUDA driver: a stream is a thread that runs one thing after
// the other, device memory is host memory.
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fake_control.h"
#include "fake_kernels.h"
#include "nccl/cuda_abi.h"

using namespace tf_ddl;

namespace {

int Environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

class Stream {
 public:
  Stream() : thread_([this] { Run(); }) { thread_.detach(); }

  void Push(std::function<void()> task) {
    std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }
  bool Idle() {
    std::lock_guard<std::mutex> lock(mutex_);
    return tasks_.empty() && !busy_;
  }
  // The thread ends, and deletes the stream, when everything has run.
  void Destroy() {
    std::lock_guard<std::mutex> lock(mutex_);
    destroyed_ = true;
    changed_.notify_all();
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return destroyed_ || !tasks_.empty(); });
      if (tasks_.empty()) break;
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      busy_ = true;
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
      busy_ = false;
    }
    lock.unlock();
    delete this;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool busy_ = false;
  bool destroyed_ = false;
  std::thread thread_;
};

// Where an event was recorded last.
struct Point {
  std::mutex mutex;
  std::condition_variable changed;
  bool reached = false;
  std::chrono::steady_clock::time_point when;
};

struct Event {
  std::mutex mutex;
  std::shared_ptr<Point> point;

  std::shared_ptr<Point> Last() {
    std::lock_guard<std::mutex> lock(mutex);
    return point;
  }
};

// What exists. After an abort that does not end a device some of it is left alone, which a leak
// sanitizer must not take for lost.
class Existing {
 public:
  void Add(void* one) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_->insert(one);
  }
  void Remove(void* one) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_->erase(one);
  }

 private:
  std::mutex mutex_;
  std::set<void*>* const all_ = new std::set<void*>;
} events, memories;

struct Module {
  std::string text;
};

thread_local CuContext current = nullptr;

CuContext PrimaryOf(int device) { return reinterpret_cast<CuContext>(0x1000L + device); }

// Calls that need a context fail without one, as the real ones do.
CuResult Enter(const char* function, bool needs_context = true) {
  if (const int code = fake_enter(function, nullptr)) return static_cast<CuResult>(code);
  if (needs_context && current == nullptr) {
    fake_note_misuse((std::string(function) + " without a current context").c_str());
    return kCudaErrorInvalidContext;
  }
  return kCudaSuccess;
}

#define FAKE_ENTER() \
  if (const CuResult entered = Enter(__func__)) return entered
#define FAKE_ENTER_ANYWHERE() \
  if (const CuResult entered = Enter(__func__, false)) return entered

Stream* AsStream(CuStream stream) {
  static Stream* const legacy = new Stream;
  return stream == nullptr ? legacy : reinterpret_cast<Stream*>(stream);
}
Event* AsEvent(CuEvent event) { return reinterpret_cast<Event*>(event); }

}  // namespace

extern "C" {

void fake_enqueue(void* stream, void (*body)(void*), void* argument) {
  AsStream(static_cast<CuStream>(stream))->Push([=] { body(argument); });
}

CuResult cuInit(unsigned int) {
  FAKE_ENTER_ANYWHERE();
  return kCudaSuccess;
}
CuResult cuDriverGetVersion(int* version) {
  FAKE_ENTER_ANYWHERE();
  *version = Environment("FAKE_CUDA_VERSION", 13000);
  return kCudaSuccess;
}
CuResult cuGetErrorName(CuResult, const char** name) {
  *name = "CUDA_ERROR_FAKE";
  return kCudaSuccess;
}
CuResult cuGetErrorString(CuResult, const char** text) {
  *text = "an error of the fake driver";
  return kCudaSuccess;
}
CuResult cuDeviceGetCount(int* count) {
  FAKE_ENTER_ANYWHERE();
  *count = Environment("FAKE_CUDA_DEVICES", 8);
  return kCudaSuccess;
}
CuResult cuDeviceGet(CuDevice* device, int ordinal) {
  FAKE_ENTER_ANYWHERE();
  if (ordinal < 0 || ordinal >= Environment("FAKE_CUDA_DEVICES", 8)) return kCudaErrorInvalidDevice;
  *device = ordinal;
  return kCudaSuccess;
}
CuResult cuDeviceGetName(char* name, int length, CuDevice) {
  FAKE_ENTER_ANYWHERE();
  std::strncpy(name, "fake GPU of host memory", length - 1);
  return kCudaSuccess;
}
CuResult cuDeviceGetUuid(CuUuid* uuid, CuDevice device) {
  FAKE_ENTER_ANYWHERE();
  std::memset(uuid->bytes, 0xFA, sizeof uuid->bytes);
  uuid->bytes[15] = static_cast<char>(device);
  return kCudaSuccess;
}
CuResult cuDeviceGetAttribute(int* value, int attribute, CuDevice) {
  FAKE_ENTER_ANYWHERE();
  *value = attribute == kCuComputeCapabilityMajor ? 9 : 0;
  return kCudaSuccess;
}
CuResult cuDeviceTotalMem_v2(size_t* bytes, CuDevice) {
  FAKE_ENTER_ANYWHERE();
  *bytes = size_t{1} << 30;
  return kCudaSuccess;
}
CuResult cuDevicePrimaryCtxRetain(CuContext* context, CuDevice device) {
  FAKE_ENTER_ANYWHERE();
  *context = PrimaryOf(device);
  return kCudaSuccess;
}
CuResult cuDevicePrimaryCtxRelease_v2(CuDevice) {
  FAKE_ENTER_ANYWHERE();
  return kCudaSuccess;
}
CuResult cuCtxSetCurrent(CuContext context) {
  FAKE_ENTER_ANYWHERE();
  current = context;
  return kCudaSuccess;
}
CuResult cuCtxGetCurrent(CuContext* context) {
  FAKE_ENTER_ANYWHERE();
  *context = current;
  return kCudaSuccess;
}
CuResult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  FAKE_ENTER();
  *least = 0;
  *greatest = -5;
  return kCudaSuccess;
}
CuResult cuStreamCreateWithPriority(CuStream* stream, unsigned int flags, int priority) {
  FAKE_ENTER();
  if (priority == -5 && flags == kCuStreamNonBlocking) {
    fake_enter("cuStreamCreateWithPriority: most urgent, does not block", nullptr);
  }
  *stream = reinterpret_cast<CuStream>(new Stream);
  return kCudaSuccess;
}
CuResult cuStreamDestroy_v2(CuStream stream) {
  FAKE_ENTER();
  AsStream(stream)->Destroy();
  return kCudaSuccess;
}
CuResult cuStreamQuery(CuStream stream) {
  FAKE_ENTER();
  return AsStream(stream)->Idle() ? kCudaSuccess : kCudaErrorNotReady;
}
CuResult cuStreamWaitEvent(CuStream stream, CuEvent event, unsigned int) {
  FAKE_ENTER();
  const std::shared_ptr<Point> point = AsEvent(event)->Last();
  if (point == nullptr) return kCudaSuccess;  // never recorded
  AsStream(stream)->Push([point] {
    std::unique_lock<std::mutex> lock(point->mutex);
    point->changed.wait(lock, [&] { return point->reached; });
  });
  return kCudaSuccess;
}
CuResult cuEventCreate(CuEvent* event, unsigned int) {
  FAKE_ENTER();
  auto* made = new Event;
  events.Add(made);
  *event = reinterpret_cast<CuEvent>(made);
  return kCudaSuccess;
}
CuResult cuEventDestroy_v2(CuEvent event) {
  FAKE_ENTER();
  events.Remove(AsEvent(event));
  delete AsEvent(event);
  return kCudaSuccess;
}
CuResult cuEventRecord(CuEvent event, CuStream stream) {
  FAKE_ENTER();
  const auto point = std::make_shared<Point>();
  {
    std::lock_guard<std::mutex> lock(AsEvent(event)->mutex);
    AsEvent(event)->point = point;
  }
  AsStream(stream)->Push([point] {
    std::lock_guard<std::mutex> lock(point->mutex);
    point->reached = true;
    point->when = std::chrono::steady_clock::now();
    point->changed.notify_all();
  });
  return kCudaSuccess;
}
CuResult cuEventQuery(CuEvent event) {
  FAKE_ENTER();
  const std::shared_ptr<Point> point = AsEvent(event)->Last();
  if (point == nullptr) return kCudaSuccess;
  std::lock_guard<std::mutex> lock(point->mutex);
  return point->reached ? kCudaSuccess : kCudaErrorNotReady;
}
CuResult cuEventElapsedTime(float* milliseconds, CuEvent from, CuEvent to) {
  FAKE_ENTER();
  const std::shared_ptr<Point> a = AsEvent(from)->Last(), b = AsEvent(to)->Last();
  if (a == nullptr || b == nullptr) return kCudaErrorInvalidValue;
  *milliseconds = std::chrono::duration<float, std::milli>(b->when - a->when).count();
  return kCudaSuccess;
}
CuResult cuMemAlloc_v2(CuPointer* pointer, size_t bytes) {
  FAKE_ENTER();
  if (bytes == 0) return kCudaErrorInvalidValue;
  void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xA5, bytes);  // fresh memory is not zero
  memories.Add(memory);
  *pointer = reinterpret_cast<CuPointer>(memory);
  return kCudaSuccess;
}
CuResult cuMemFree_v2(CuPointer pointer) {
  FAKE_ENTER();
  memories.Remove(reinterpret_cast<void*>(pointer));
  std::free(reinterpret_cast<void*>(pointer));
  return kCudaSuccess;
}
CuResult cuMemcpyDtoDAsync_v2(CuPointer to, CuPointer from, size_t bytes, CuStream stream) {
  FAKE_ENTER();
  AsStream(stream)->Push([=] {
    std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  });
  return kCudaSuccess;
}
CuResult cuMemcpyHtoD_v2(CuPointer to, const void* from, size_t bytes) {
  FAKE_ENTER();
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return kCudaSuccess;
}
CuResult cuMemcpyDtoH_v2(void* to, CuPointer from, size_t bytes) {
  FAKE_ENTER();
  std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  return kCudaSuccess;
}
// PTX is understood as far as the names of its kernels, a fatbin as far as its header.
CuResult cuModuleLoadData(CuModule* module, const void* image) {
  FAKE_ENTER();
  std::string text;
  uint32_t magic = 0;
  std::memcpy(&magic, image, sizeof magic);
  if (magic == 0xBA55ED50) {
    if (Environment("FAKE_CUDA_FATBIN", 1) == 0) return kCudaErrorNoBinaryForGpu;
  } else {
    text = static_cast<const char*>(image);
    if (text.find(".version") == std::string::npos) return kCudaErrorInvalidImage;
  }
  static std::mutex mutex;
  static auto* const all = new std::vector<std::unique_ptr<Module>>;  // never freed
  std::lock_guard<std::mutex> lock(mutex);
  all->push_back(std::make_unique<Module>(Module{text}));
  *module = reinterpret_cast<CuModule>(all->back().get());
  return kCudaSuccess;
}
CuResult cuModuleUnload(CuModule) {
  FAKE_ENTER();
  return kCudaSuccess;
}
CuResult cuModuleGetFunction(CuFunction* function, CuModule module, const char* name) {
  FAKE_ENTER();
  const std::string entry = ".entry " + std::string(name) + "(";
  const std::string& text = reinterpret_cast<Module*>(module)->text;  // empty: of a fatbin
  if (!text.empty() && text.find(entry) == std::string::npos) return kCudaErrorNotFound;
  *function = reinterpret_cast<CuFunction>(const_cast<FakeKernel*>(FindFakeKernel(name)));
  return *function == nullptr ? kCudaErrorNotFound : kCudaSuccess;
}
CuResult cuLaunchKernel(CuFunction function, unsigned int grid_x, unsigned int grid_y,
                        unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                        unsigned int block_z, unsigned int, CuStream stream, void** parameters,
                        void**) {
  FAKE_ENTER();
  if (grid_x == 0 || grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1 || block_x > 1024 ||
      grid_y > 65535) {
    return kCudaErrorInvalidValue;
  }
  const auto* kernel = reinterpret_cast<const FakeKernel*>(function);
  auto arguments = std::make_shared<std::vector<std::string>>();
  for (size_t i = 0; i < kernel->parameter_bytes.size(); ++i) {
    arguments->emplace_back(static_cast<const char*>(parameters[i]), kernel->parameter_bytes[i]);
  }
  AsStream(stream)->Push([=] { RunFakeKernel(*kernel, grid_x, block_x, arguments.get()); });
  return kCudaSuccess;
}
}
