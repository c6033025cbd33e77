// The kernels of all-reduces, for whatever memory the tensors are in. `Memory` says how:
//
//   kAlone   whether a world of one is a matter of the engine (it copies), or its input is the
//            output
//   Zero     fills a buffer with zeros, in the order of the memory's work
//   Reduce   hands a tensor to the engine; made of the context, without which it is called
//
// HostMemory is here, a GPU's in device_kernels.cc.
#ifndef TF_DDL_KERNELS_ALL_REDUCE_H_
#define TF_DDL_KERNELS_ALL_REDUCE_H_

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernels/collective_kernel.h"
#include "kernels/completion.h"

namespace tf_ddl {

struct HostMemory {
  static constexpr bool kAlone = true;
  static absl::Status Zero(tensorflow::OpKernelContext*, void* data, size_t bytes) {
    std::memset(data, 0, bytes);
    return absl::OkStatus();
  }
  class Reduce {
   public:
    explicit Reduce(tensorflow::OpKernelContext*) {}
    void operator()(Engine* engine, uint64_t group, int index, const void* in, void* out,
                    int64_t count, Engine::Done done) const {
      engine->AllReduce(group, index, in, out, count, std::move(done));
    }
  };
};

struct ReducedBuffers {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t count = 0;
};

// What this rank puts into an all-reduce and where the result goes. `contributes`: the input that
// says whether the rank has anything to say; if not, its tensor counts as zeros (the gradients of
// no rows may be NaN).
template <typename Memory>
absl::Status PrepareBuffers(tensorflow::OpKernelContext* ctx, const Engine& engine, int i,
                            int contributes, ReducedBuffers* buffers) {
  const tensorflow::Tensor& input = ctx->input(i);
  const bool counts = ctx->input(contributes).scalar<bool>()();
  buffers->count = input.NumElements();
  if (!Memory::kAlone && engine.size() == 1 && counts) {
    ctx->set_output(i, input);
    buffers->out = const_cast<void*>(Data(input));
    buffers->in = buffers->out;
    return absl::OkStatus();
  }
  tensorflow::Tensor* output = nullptr;
  TF_RETURN_IF_ERROR(ctx->forward_input_or_allocate_output({i}, i, input.shape(), &output));
  buffers->out = Data(output);
  buffers->in = buffers->out;
  if (!counts) return Memory::Zero(ctx, buffers->out, output->tensor_data().size());
  buffers->in = Data(ctx->input(i));
  return absl::OkStatus();
}

template <typename Memory>
class AllReduceKernel : public CollectiveKernel {
 public:
  explicit AllReduceKernel(tensorflow::OpKernelConstruction* ctx)
      : CollectiveKernel(ctx, "all-reduce") {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("index", &index_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("tensor_name", &name_));
  }

  void ComputeAsync(tensorflow::OpKernelContext* ctx, DoneCallback done) override {
    auto engine = FindEngineOrFail(ctx);
    if (engine == nullptr) return done();
    ReducedBuffers buffers;
    OP_REQUIRES_OK_ASYNC(ctx, PrepareBuffers<Memory>(ctx, *engine, 0, 2, &buffers), done);
    auto finish = FinishOp(ctx, engine, Where(*engine, name_), std::move(done));
    if (finish == nullptr) return;
    const typename Memory::Reduce reduce(ctx);
    reduce(engine.get(), group(), index_, buffers.in, buffers.out, buffers.count,
           std::move(finish));
  }

 private:
  int index_ = 0;
  std::string name_;
};

// Finishes once, after `count` calls of Done, with the first error.
class Countdown {
 public:
  Countdown(int count, Engine::Done done) : left_(count), done_(std::move(done)) {}

  void Done(const Status& status) {
    if (!status.ok()) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (status_.ok()) status_ = status;
    }
    if (--left_ == 0) done_(status_);
  }

 private:
  std::atomic<int> left_;
  std::mutex mutex_;
  Status status_;  // guarded by mutex_ until left_ is 0
  Engine::Done done_;
};

template <typename Memory>
class GroupAllReduceKernel : public CollectiveKernel {
 public:
  explicit GroupAllReduceKernel(tensorflow::OpKernelConstruction* ctx)
      : CollectiveKernel(ctx, "all-reduce") {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("tensor_names", &names_));
  }

  void ComputeAsync(tensorflow::OpKernelContext* ctx, DoneCallback done) override {
    auto engine = FindEngineOrFail(ctx);
    if (engine == nullptr) return done();
    const int n = ctx->num_outputs();
    std::vector<ReducedBuffers> buffers(n);
    for (int i = 0; i < n; ++i) {
      OP_REQUIRES_OK_ASYNC(ctx, PrepareBuffers<Memory>(ctx, *engine, i, n + 1, &buffers[i]), done);
    }
    const std::string name = names_.empty() ? "" : names_.front();
    auto finish = FinishOp(ctx, engine, Where(*engine, name, n - 1), std::move(done));
    if (finish == nullptr) return;
    // From here on without the context: it is gone once the last tensor is done.
    const typename Memory::Reduce reduce(ctx);
    auto countdown = std::make_shared<Countdown>(n, std::move(finish));
    for (int i = 0; i < n; ++i) {
      reduce(engine.get(), group(), i, buffers[i].in, buffers[i].out, buffers[i].count,
             [countdown](const Status& status) { countdown->Done(status); });
    }
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_KERNELS_ALL_REDUCE_H_
