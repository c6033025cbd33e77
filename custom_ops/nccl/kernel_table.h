// What the kernels of kernels.cu are launched with: a copy of the host's description of a bucket,
// passed by value, so that nothing has to be uploaded and kept alive.
#ifndef TF_DDL_NCCL_KERNEL_TABLE_H_
#define TF_DDL_NCCL_KERNEL_TABLE_H_

#include <cstdint>

namespace tf_ddl {

// Tensors of one launch: a kernel's parameters have 4 KiB in all. Larger buckets take several.
constexpr int kTableTensors = 160;

// Tensor i has the elements from begins[i] on of the packed buffer, in ascending order. What lies
// between one's end and the next one's begin is nobody's.
struct KernelTable {
  uint64_t pointers[kTableTensors];
  int64_t begins[kTableTensors];
  int64_t counts[kTableTensors];  // elements
  int64_t tensors;
};
static_assert(sizeof(KernelTable) + 32 <= 4096, "a kernel's parameters have 4 KiB");

constexpr unsigned int kKernelThreads = 256;
// Packed elements that a block does before it looks for more.
constexpr int64_t kBlockElements = 4096;

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_KERNEL_TABLE_H_
