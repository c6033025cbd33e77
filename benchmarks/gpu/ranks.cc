#include "ranks.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/time.h"

namespace tf_ddl::gpu {
namespace {

constexpr double kPatience = 120;

[[noreturn]] void Die(const std::string& text) {
  std::fprintf(stderr, "gpu benchmark: %s\n", text.c_str());
  std::_Exit(1);
}

std::shared_ptr<const DeviceLibraries> Open(const Settings& settings) {
  std::shared_ptr<const DeviceLibraries> libraries;
  Require(DeviceLibraries::Open(settings.libraries, &libraries), "libraries");
  return libraries;
}

}  // namespace

void Require(const Status& status, const std::string& what) {
  if (!status.ok()) Die(what + ": " + status.message());
}
void Require(CuResult result, const char* call) {
  if (result != kCudaSuccess) Die(std::string(call) + ": error " + std::to_string(result));
}
void Require(NcclResult result, const char* call) {
  if (result != kNcclSuccess) Die(std::string(call) + ": error " + std::to_string(result));
}

Memory::Memory(const CudaApi& cuda, size_t bytes) : cuda_(cuda), bytes_(bytes) {
  Require(cuda_.mem_alloc(&pointer_, bytes), "cuMemAlloc");
}
Memory::~Memory() { cuda_.mem_free(pointer_); }
void Memory::Write(const std::vector<char>& bytes) {
  Require(cuda_.memcpy_htod(pointer_, bytes.data(), bytes.size()), "cuMemcpyHtoD");
}
std::vector<char> Memory::Read() const {
  std::vector<char> bytes(bytes_);
  Require(cuda_.memcpy_dtoh(bytes.data(), pointer_, bytes_), "cuMemcpyDtoH");
  return bytes;
}

std::function<void(const Status&)> Pending::Add() {
  std::lock_guard<std::mutex> lock(mutex_);
  ++left_;
  return [this](const Status& status) {
    Require(status, "a collective");
    std::lock_guard<std::mutex> lock(mutex_);
    --left_;
    changed_.notify_all();
  };
}

void Pending::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool ended = changed_.wait_for(lock, std::chrono::duration<double>(kPatience),
                                       [this] { return left_ == 0; });
  if (!ended) Die(std::to_string(left_) + " collectives did not end within 120 s");
}

void Barrier::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  const int64_t round = round_;
  if (++arrived_ == size_) {
    arrived_ = 0;
    ++round_;
    changed_.notify_all();
    return;
  }
  if (!changed_.wait_for(lock, std::chrono::duration<double>(kPatience),
                         [&] { return round_ != round; })) {
    Die("a rank did not come within 120 s");
  }
}

void Rank::Synchronize() const {
  const Deadline deadline = DeadlineIn(kPatience);
  CuResult result;
  while ((result = cuda().stream_query(stream)) == kCudaErrorNotReady) {
    if (Clock::now() >= deadline) Die("a stream did not end within 120 s");
  }
  Require(result, "cuStreamQuery");
}

int NumGpus(const Settings& settings) {
  int count = 0;
  Require(Open(settings)->cuda().device_get_count(&count), "cuDeviceGetCount");
  return count;
}

int NcclVersion(const Settings& settings) {
  int version = 0;
  Require(Open(settings)->nccl().get_version(&version), "ncclGetVersion");
  return version;
}

void RunRanks(const Settings& settings, int size, bool blocking_launches,
              const std::function<void(Rank&)>& body) {
  NcclOptions options;
  options.libraries = settings.libraries;
  options.size = size;
  options.blocking_launches = blocking_launches;
  std::string raw_id;
  Require(MakeNcclUniqueId(settings.libraries, &options.unique_id), "ncclGetUniqueId");
  Require(MakeNcclUniqueId(settings.libraries, &raw_id), "ncclGetUniqueId");
  const int gpus = NumGpus(settings);
  const auto libraries = Open(settings);
  Barrier barrier(size);
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      NcclOptions own = options;
      own.rank = r;
      own.ordinal = r % gpus;
      std::unique_ptr<DeviceCommunicator> communicator;
      Require(CreateNcclCommunicator(own, &communicator), "CreateNcclCommunicator");
      Rank rank;
      rank.rank = r;
      rank.size = size;
      rank.barrier = &barrier;
      rank.communicator = communicator.get();
      Require(Device::Open(libraries, own.ordinal, &rank.device), "GPU");
      Require(rank.device->MakeCurrent(), "GPU");
      Require(rank.device->NewStream(false, &rank.stream), "stream");
      NcclUniqueId id;
      std::memcpy(id.bytes, raw_id.data(), sizeof id.bytes);
      NcclConfig config;
      config.blocking = 1;
      Require(rank.nccl().comm_init_rank_config(&rank.raw, size, id, r, &config),
              "ncclCommInitRankConfig");
      body(rank);
      barrier.Wait();
      Require(rank.nccl().comm_finalize(rank.raw), "ncclCommFinalize");
      Require(rank.nccl().comm_destroy(rank.raw), "ncclCommDestroy");
      rank.cuda().stream_destroy(rank.stream);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace tf_ddl::gpu
