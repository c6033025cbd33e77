// TEST CODE: see fake_control.h. The project's kernels, compiled for the CPU from the same source.
#ifndef TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_KERNELS_H_
#define TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_KERNELS_H_

#include <string>
#include <vector>

struct FakeKernel {
  std::string name;
  std::vector<size_t> parameter_bytes;
  void (*run)(const std::vector<std::string>& arguments);  // one thread of it
};

const FakeKernel* FindFakeKernel(const std::string& name);
void RunFakeKernel(const FakeKernel& kernel, unsigned int grid_x, unsigned int block_x,
                   const std::vector<std::string>* arguments);

#endif  // TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_KERNELS_H_
