// libnccl and the CUDA driver, opened by dlopen, and a report of what was found.
#ifndef TF_DDL_NCCL_LIBRARIES_H_
#define TF_DDL_NCCL_LIBRARIES_H_

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace tf_ddl {

struct CudaApi;
struct NcclApi;

// Where to look, in this order. Every entry is what dlopen takes: a file's path, or a name that the
// dynamic linker looks up. Behind these come the system's libnccl.so.2 and libcuda.so.1.
struct LibraryPaths {
  std::vector<std::string> nccl;  // as nvidia/nccl/lib/libnccl.so.2 of the nvidia-nccl packages
  std::vector<std::string> cuda;
  // Nothing but the paths above: for a library that the user has named.
  bool only_these_nccl = false;
  bool only_these_cuda = false;
};

// Both libraries with every symbol that is needed. Never closed: NCCL's threads outlive us.
class DeviceLibraries {
 public:
  // kUnavailable, in one line: what is missing or too old, and where it was looked for.
  static Status Open(const LibraryPaths& paths, std::shared_ptr<const DeviceLibraries>* libraries);

  const CudaApi& cuda() const { return *cuda_; }
  const NcclApi& nccl() const { return *nccl_; }
  // "2.28.3"
  const std::string& nccl_version() const { return nccl_version_; }

  DeviceLibraries() = default;
  DeviceLibraries(const DeviceLibraries&) = delete;
  DeviceLibraries& operator=(const DeviceLibraries&) = delete;
  ~DeviceLibraries();

 private:
  std::unique_ptr<CudaApi> cuda_;
  std::unique_ptr<NcclApi> nccl_;
  std::string nccl_version_;
};

// What Open would find, as a JSON object; never fails:
//
//   usable     whether both libraries and at least one GPU are there
//   why        "" or why not, for people
//   nccl, cuda {path, version, usable, why, missing: [{symbol, since}], tried: [{path, error}]}
//   devices    list of {ordinal, name, memory_bytes, compute_capability}
//   kernels    list of what this build has of our own: "fatbin by nvcc 13.0.88", "PTX"
std::string ReportDeviceLibraries(const LibraryPaths& paths);

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_LIBRARIES_H_
