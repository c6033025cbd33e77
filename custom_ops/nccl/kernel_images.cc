// The kernels as the build has them: compiled for GPUs, if there was nvcc, and as text.
#include "nccl/kernel_images.h"

#ifdef TF_DDL_KERNELS_FATBIN
namespace {
#include TF_DDL_KERNELS_FATBIN  // made by cmake/embed_kernels.cmake
}  // namespace
#endif

namespace tf_ddl {

#include "nccl/kernels_ptx.inc"

std::vector<KernelImage> ShippedKernels() {
  std::vector<KernelImage> images;
#ifdef TF_DDL_KERNELS_FATBIN
  if (kKernelsCompiler[0] != '\0') {
    images.push_back({std::string("fatbin by ") + kKernelsCompiler, kKernelsFatbin});
  }
#endif
  images.push_back({"PTX", kKernelsPtx});
  return images;
}

}  // namespace tf_ddl
