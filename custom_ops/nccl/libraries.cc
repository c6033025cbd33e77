#include "nccl/libraries.h"

#include <cstdio>

#include "nccl/cuda_abi.h"
#include "nccl/kernel_images.h"
#include "nccl/library_finder.h"
#include "nccl/nccl_abi.h"

namespace tf_ddl {
namespace {

std::vector<std::string> Candidates(const std::vector<std::string>& given, bool only,
                                    const char* system) {
  std::vector<std::string> candidates = given;
  if (!only) candidates.push_back(system);
  return candidates;
}

FoundLibrary OpenNccl(const LibraryPaths& paths, NcclApi* api) {
  std::vector<WantedSymbol> wanted;
#define DDL_WANT(member, symbol, since, result, arguments) \
  wanted.push_back({ #symbol, "NCCL " since, reinterpret_cast<void**>(&api->member) });
  DDL_NCCL_FUNCTIONS(DDL_WANT)
#undef DDL_WANT
  FoundLibrary found =
      OpenLibrary("NCCL", Candidates(paths.nccl, paths.only_these_nccl, "libnccl.so.2"), wanted);
  int version = 0;
  if (found.path.empty() || api->get_version == nullptr ||
      api->get_version(&version) != kNcclSuccess) {
    if (found.usable()) found.why = "NCCL (" + found.path + ") does not tell its version";
    return found;
  }
  // Before 2.9: 2804 for 2.8.4.
  const int major = version >= 10000 ? version / 10000 : version / 1000;
  const int minor = version >= 10000 ? version / 100 % 100 : version / 100 % 10;
  found.version =
      std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(version % 100);
  if (version < kOldestNccl) {
    found.why = "NCCL " + found.version + " (" + found.path +
                ") is too old: 2.18.1 is the first that splits communicators";
  }
  return found;
}

FoundLibrary OpenCuda(const LibraryPaths& paths, CudaApi* api) {
  std::vector<WantedSymbol> wanted;
#define DDL_WANT(member, symbol, since, result, arguments) \
  wanted.push_back({ #symbol, "CUDA " since, reinterpret_cast<void**>(&api->member) });
  DDL_CUDA_FUNCTIONS(DDL_WANT)
#undef DDL_WANT
  FoundLibrary found = OpenLibrary(
      "the CUDA driver", Candidates(paths.cuda, paths.only_these_cuda, "libcuda.so.1"), wanted);
  int version = 0;
  if (!found.path.empty() && api->driver_get_version != nullptr &&
      api->driver_get_version(&version) == kCudaSuccess) {
    found.version = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  }
  if (!found.usable()) return found;
  if (version < kOldestCudaDriver) {
    found.why = "the CUDA driver (" + found.path + ") is of CUDA " + found.version +
                "; 11.0 is the oldest that is used";
    return found;
  }
  const CuResult result = api->init(0);
  if (result != kCudaSuccess) {
    const char* text = nullptr;
    api->get_error_string(result, &text);
    found.why = "the CUDA driver (" + found.path +
                ") does not start: " + (text != nullptr ? text : "error " + std::to_string(result));
  }
  return found;
}

std::string JsonText(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Json(const FoundLibrary& found) {
  std::string out = "{\"path\": " + JsonText(found.path) +
                    ", \"version\": " + JsonText(found.version) +
                    ", \"usable\": " + (found.usable() ? "true" : "false") +
                    ", \"why\": " + JsonText(found.why) + ", \"missing\": [";
  for (size_t i = 0; i < found.missing.size(); ++i) {
    out += (i > 0 ? ", " : "") + ("{\"symbol\": " + JsonText(found.missing[i].name)) +
           ", \"since\": " + JsonText(found.missing[i].since) + "}";
  }
  out += "], \"tried\": [";
  for (size_t i = 0; i < found.tried.size(); ++i) {
    out += (i > 0 ? ", " : "") + ("{\"path\": " + JsonText(found.tried[i].path)) +
           ", \"error\": " + JsonText(found.tried[i].error) + "}";
  }
  return out + "]}";
}

std::string DevicesJson(const CudaApi& cuda, int* count) {
  std::string out = "[";
  if (cuda.device_get_count(count) != kCudaSuccess) *count = 0;
  for (int i = 0; i < *count; ++i) {
    CuDevice device = 0;
    char name[256] = "";
    size_t bytes = 0;
    int major = 0, minor = 0;
    if (cuda.device_get(&device, i) != kCudaSuccess) continue;
    cuda.device_get_name(name, sizeof name, device);
    cuda.device_total_mem(&bytes, device);
    cuda.device_get_attribute(&major, kCuComputeCapabilityMajor, device);
    cuda.device_get_attribute(&minor, kCuComputeCapabilityMinor, device);
    out += std::string(i > 0 ? ", " : "") + "{\"ordinal\": " + std::to_string(i) +
           ", \"name\": " + JsonText(name) + ", \"memory_bytes\": " + std::to_string(bytes) +
           ", \"compute_capability\": \"" + std::to_string(major) + "." + std::to_string(minor) +
           "\"}";
  }
  return out + "]";
}

}  // namespace

DeviceLibraries::~DeviceLibraries() = default;

Status DeviceLibraries::Open(const LibraryPaths& paths,
                             std::shared_ptr<const DeviceLibraries>* libraries) {
  auto opened = std::make_shared<DeviceLibraries>();
  opened->cuda_ = std::make_unique<CudaApi>();
  opened->nccl_ = std::make_unique<NcclApi>();
  const FoundLibrary cuda = OpenCuda(paths, opened->cuda_.get());
  if (!cuda.usable()) return Unavailable(cuda.why);
  const FoundLibrary nccl = OpenNccl(paths, opened->nccl_.get());
  if (!nccl.usable()) return Unavailable(nccl.why);
  opened->nccl_version_ = nccl.version;
  *libraries = std::move(opened);
  return OkStatus();
}

std::string ReportDeviceLibraries(const LibraryPaths& paths) {
  CudaApi cuda_api;
  NcclApi nccl_api;
  const FoundLibrary cuda = OpenCuda(paths, &cuda_api);
  const FoundLibrary nccl = OpenNccl(paths, &nccl_api);
  int gpus = 0;
  const std::string devices = cuda.usable() ? DevicesJson(cuda_api, &gpus) : "[]";
  std::string why = cuda.why;
  if (why.empty()) why = nccl.why;
  if (why.empty() && gpus == 0) why = "the CUDA driver sees no GPU";
  std::string kernels;
  for (const KernelImage& image : ShippedKernels()) {
    kernels += (kernels.empty() ? "" : ", ") + JsonText(image.form);
  }
  return "{\"usable\": " + std::string(why.empty() ? "true" : "false") +
         ", \"why\": " + JsonText(why) + ", \"nccl\": " + Json(nccl) + ", \"cuda\": " + Json(cuda) +
         ", \"devices\": " + devices + ", \"kernels\": [" + kernels + "]}";
}

}  // namespace tf_ddl
