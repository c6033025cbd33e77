// What the kernels of all collectives have in common.
#ifndef TF_DDL_KERNELS_COLLECTIVE_KERNEL_H_
#define TF_DDL_KERNELS_COLLECTIVE_KERNEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tf_ddl {

// A kernel has an engine, a group, and a name for messages.
class CollectiveKernel : public tensorflow::AsyncOpKernel {
 public:
  CollectiveKernel(tensorflow::OpKernelConstruction* ctx, const char* what)
      : AsyncOpKernel(ctx), what_(what) {
    int64_t group;
    OP_REQUIRES_OK(ctx, ctx->GetAttr("engine", &handle_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("group", &group));
    group_ = static_cast<uint64_t>(group);
  }

  // Submitting takes microseconds. What is expensive waits for a thread of TensorFlow's, with a
  // single one until all that backprop has left to do is done.
  bool IsExpensive() override { return false; }

 protected:
  // Null, with the op's status set, when the engine is gone.
  std::shared_ptr<Engine> FindEngineOrFail(tensorflow::OpKernelContext* ctx) const {
    std::shared_ptr<Engine> engine = FindEngine(handle_);
    if (engine == nullptr) {
      ctx->SetStatus(absl::FailedPreconditionError(
          absl::StrCat(what_, ": tf_ddl has been shut down in this process; create the strategy ",
                       "and trace the function again")));
    }
    return engine;
  }

  // "all-reduce of 'dense/kernel' and 3 more on rank 1", for messages.
  std::string Where(const Engine& engine, const std::string& tensor, int more = 0) const {
    return absl::StrCat(what_, " of '", tensor, "'",
                        more > 0 ? absl::StrCat(" and ", more, " more") : "", " on rank ",
                        engine.rank());
  }

  uint64_t group() const { return group_; }

 private:
  const char* const what_;
  int64_t handle_ = 0;
  uint64_t group_ = 0;
};

inline void* Data(tensorflow::Tensor* tensor) {
  return const_cast<char*>(tensor->tensor_data().data());
}
inline const void* Data(const tensorflow::Tensor& tensor) { return tensor.tensor_data().data(); }

}  // namespace tf_ddl

#endif  // TF_DDL_KERNELS_COLLECTIVE_KERNEL_H_
