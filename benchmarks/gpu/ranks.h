// Ranks as threads of this process, each with a GPU, memory on it and a communicator.
#ifndef TF_DDL_BENCHMARKS_GPU_RANKS_H_
#define TF_DDL_BENCHMARKS_GPU_RANKS_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "nccl/cuda_abi.h"
#include "nccl/device.h"
#include "nccl/nccl_abi.h"
#include "nccl/nccl_communicator.h"

namespace tf_ddl::gpu {

// What the command line says.
struct Settings {
  LibraryPaths libraries;
  int ranks = 1;
  bool small = false;  // few and small sizes: shows that it runs, not how fast
  std::string json;    // a file for the figures
  std::string self;    // this program
  std::string role;    // of a process that main has started
  std::string id_file;
};

// Ends the program with a message: there is nobody to hand a status to.
void Require(const Status& status, const std::string& what);
void Require(CuResult result, const char* call);
void Require(NcclResult result, const char* call);

// Bytes on the calling thread's GPU.
class Memory {
 public:
  Memory(const CudaApi& cuda, size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* get() const { return reinterpret_cast<void*>(pointer_); }
  CuPointer pointer() const { return pointer_; }
  void Write(const std::vector<char>& bytes);
  std::vector<char> Read() const;

 private:
  const CudaApi& cuda_;
  const size_t bytes_;
  CuPointer pointer_ = 0;
};

// Counts ends; a failed collective ends the program.
class Pending {
 public:
  std::function<void(const Status&)> Add();
  // All that were added.
  void Wait();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int left_ = 0;
};

// Threads that meet.
class Barrier {
 public:
  explicit Barrier(int size) : size_(size) {}
  void Wait();

 private:
  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  int64_t round_ = 0;
};

// What a rank's thread works with.
struct Rank {
  int rank = 0;
  int size = 1;
  Barrier* barrier = nullptr;
  std::shared_ptr<Device> device;
  DeviceCommunicator* communicator = nullptr;
  NcclComm raw = nullptr;  // made by NCCL's own calls, as nccl-tests do
  CuStream stream = nullptr;

  const CudaApi& cuda() const { return device->cuda(); }
  const NcclApi& nccl() const { return device->libraries().nccl(); }
  // Waits for what is on `stream`.
  void Synchronize() const;
};

// Runs `body` on a thread for each of `size` ranks, which have met.
void RunRanks(const Settings& settings, int size, bool blocking_launches,
              const std::function<void(Rank&)>& body);

// The GPUs that this process sees, and NCCL's version as in 23007.
int NumGpus(const Settings& settings);
int NcclVersion(const Settings& settings);

}  // namespace tf_ddl::gpu

#endif  // TF_DDL_BENCHMARKS_GPU_RANKS_H_
