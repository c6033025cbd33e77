// What the driver can load the kernels of kernels.cu from.
#ifndef TF_DDL_NCCL_KERNEL_IMAGES_H_
#define TF_DDL_NCCL_KERNEL_IMAGES_H_

#include <string>
#include <vector>

namespace tf_ddl {

extern const char kKernelsPtx[];
extern const char kKernelsSource[];  // of kernels.cu: the first 16 digits of its SHA-256

struct KernelImage {
  std::string form;  // "fatbin by nvcc 13.0.88", "PTX"
  const void* data;  // what cuModuleLoadData takes; stays where it is
};

// What this build has, the one to be preferred first: a fatbin, if there was nvcc
// (cmake/Kernels.cmake), which holds code for the GPUs that this nvcc knows; then the PTX, which
// the driver compiles for any GPU since sm_70.
std::vector<KernelImage> ShippedKernels();

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_KERNEL_IMAGES_H_
