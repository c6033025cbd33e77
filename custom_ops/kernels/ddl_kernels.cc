// Kernels of ops/ddl_ops.cc. All are asynchronous: ComputeAsync hands the buffers to the engine and
// returns; the engine's callback finishes the op. Tensors live in the op's context until then.
//
// On a GPU device the tensors are in host memory: TensorFlow copies the gradients there and back.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "kernels/completion.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tf_ddl {
namespace {

using tensorflow::AsyncOpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// What all kernels have: an engine, a group, and a name for messages.
class CollectiveKernel : public AsyncOpKernel {
 public:
  CollectiveKernel(OpKernelConstruction* ctx, const char* what) : AsyncOpKernel(ctx), what_(what) {
    int64_t group;
    OP_REQUIRES_OK(ctx, ctx->GetAttr("engine", &handle_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("group", &group));
    group_ = static_cast<uint64_t>(group);
  }

 protected:
  // Null, with the op's status set, when the engine is gone.
  std::shared_ptr<Engine> FindEngineOrFail(OpKernelContext* ctx) const {
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

void* Data(Tensor* tensor) { return const_cast<char*>(tensor->tensor_data().data()); }
const void* Data(const Tensor& tensor) { return tensor.tensor_data().data(); }

bool HasFixedSize(tensorflow::DataType dtype) { return tensorflow::DataTypeCanUseMemcpy(dtype); }

// Bytes of what the engine calls an element: tf_ddl/_ops.py registers dtypes that the core does not
// know as bytes.
int64_t ElementBytes(tensorflow::DataType dtype) {
  switch (dtype) {
    case tensorflow::DT_FLOAT:
    case tensorflow::DT_DOUBLE:
    case tensorflow::DT_HALF:
    case tensorflow::DT_BFLOAT16:
    case tensorflow::DT_INT32:
    case tensorflow::DT_INT64:
      return tensorflow::DataTypeSize(dtype);
    default:
      return 1;
  }
}

absl::Status NotFixedSize(const char* what, tensorflow::DataType dtype) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " moves numbers and booleans, not ", tensorflow::DataTypeString(dtype)));
}

// What a rank puts into an all-reduce: its tensor, or zeros (in `output`) if it has nothing to say,
// such as the NaN gradients of no rows.
const void* Contribution(OpKernelContext* ctx, int input, int contributes, Tensor* output) {
  if (ctx->input(contributes).scalar<bool>()()) return Data(ctx->input(input));
  std::memset(Data(output), 0, output->tensor_data().size());
  return Data(output);
}

class AllReduceKernel : public CollectiveKernel {
 public:
  explicit AllReduceKernel(OpKernelConstruction* ctx) : CollectiveKernel(ctx, "all-reduce") {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("index", &index_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("tensor_name", &name_));
  }

  void ComputeAsync(OpKernelContext* ctx, DoneCallback done) override {
    const Tensor& input = ctx->input(0);
    Tensor* output = nullptr;
    OP_REQUIRES_OK_ASYNC(ctx, ctx->forward_input_or_allocate_output({0}, 0, input.shape(), &output),
                         done);
    auto engine = FindEngineOrFail(ctx);
    if (engine == nullptr) return done();
    auto finish = FinishOp(ctx, engine, Where(*engine, name_), std::move(done));
    if (finish == nullptr) return;
    const void* in = Contribution(ctx, 0, 2, output);
    engine->AllReduce(group(), index_, in, Data(output), output->NumElements(), std::move(finish));
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

class GroupAllReduceKernel : public CollectiveKernel {
 public:
  explicit GroupAllReduceKernel(OpKernelConstruction* ctx) : CollectiveKernel(ctx, "all-reduce") {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("tensor_names", &names_));
  }

  void ComputeAsync(OpKernelContext* ctx, DoneCallback done) override {
    const int n = ctx->num_outputs();
    std::vector<Tensor*> outputs(n);
    for (int i = 0; i < n; ++i) {
      OP_REQUIRES_OK_ASYNC(
          ctx, ctx->forward_input_or_allocate_output({i}, i, ctx->input(i).shape(), &outputs[i]),
          done);
    }
    auto engine = FindEngineOrFail(ctx);
    if (engine == nullptr) return done();
    const std::string name = names_.empty() ? "" : names_.front();
    auto finish = FinishOp(ctx, engine, Where(*engine, name, n - 1), std::move(done));
    if (finish == nullptr) return;
    // The context is gone once the last tensor is done.
    struct Buffers {
      const void* in;
      void* out;
      int64_t count;
    };
    std::vector<Buffers> buffers(n);
    for (int i = 0; i < n; ++i) {
      buffers[i] = {Contribution(ctx, i, n + 1, outputs[i]), Data(outputs[i]),
                    outputs[i]->NumElements()};
    }
    auto countdown = std::make_shared<Countdown>(n, std::move(finish));
    for (int i = 0; i < n; ++i) {
      engine->AllReduce(group(), i, buffers[i].in, buffers[i].out, buffers[i].count,
                        [countdown](const Status& status) { countdown->Done(status); });
    }
  }

 private:
  std::vector<std::string> names_;
};

class BroadcastKernel : public CollectiveKernel {
 public:
  explicit BroadcastKernel(OpKernelConstruction* ctx) : CollectiveKernel(ctx, "broadcast") {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("tensor_name", &name_));
    OP_REQUIRES(ctx, HasFixedSize(ctx->input_type(0)),
                NotFixedSize("broadcast", ctx->input_type(0)));
  }

  void ComputeAsync(OpKernelContext* ctx, DoneCallback done) override {
    const Tensor& input = ctx->input(0);
    Tensor* output = nullptr;
    OP_REQUIRES_OK_ASYNC(ctx, ctx->forward_input_or_allocate_output({0}, 0, input.shape(), &output),
                         done);
    auto engine = FindEngineOrFail(ctx);
    if (engine == nullptr) return done();
    auto finish = FinishOp(ctx, engine, Where(*engine, name_), std::move(done));
    if (finish == nullptr) return;
    const int64_t bytes = input.tensor_data().size();
    engine->Broadcast(group(), Data(input), Data(output), bytes / ElementBytes(input.dtype()),
                      std::move(finish));
  }

 private:
  std::string name_;
};

class AllGatherKernel : public CollectiveKernel {
 public:
  explicit AllGatherKernel(OpKernelConstruction* ctx) : CollectiveKernel(ctx, "all-gather") {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("tensor_name", &name_));
    OP_REQUIRES(ctx, HasFixedSize(ctx->input_type(0)),
                NotFixedSize("all-gather", ctx->input_type(0)));
  }

  void ComputeAsync(OpKernelContext* ctx, DoneCallback done) override {
    const Tensor& input = ctx->input(0);
    OP_REQUIRES_ASYNC(ctx, input.dims() >= 1,
                      absl::InvalidArgumentError(
                          absl::StrCat("all-gather of '", name_, "' needs at least one dimension")),
                      done);
    auto engine = FindEngineOrFail(ctx);
    if (engine == nullptr) return done();
    auto finish = FinishOp(ctx, engine, Where(*engine, name_), std::move(done));
    if (finish == nullptr) return;

    auto call = std::make_shared<Call>();
    call->rows = input.dim_size(0);
    call->element_bytes = ElementBytes(input.dtype());
    call->row_bytes = tensorflow::DataTypeSize(input.dtype());
    for (int d = 1; d < input.dims(); ++d) call->row_bytes *= input.dim_size(d);
    // Rows without bytes: what travels is their number, one int64 from each rank.
    const bool empty_rows = call->row_bytes == 0;
    const void* data = empty_rows ? &call->rows : Data(input);
    const int64_t bytes = empty_rows ? sizeof(call->rows) : call->rows * call->row_bytes;
    engine->AllGather(
        group(), data, bytes / call->element_bytes,
        [ctx, call](const std::vector<int64_t>& counts, void** out) {
          return Allocate(ctx, call.get(), counts, out);
        },
        [ctx, call, finish = std::move(finish)](const Status& status) {
          if (status.ok() && call->row_bytes == 0) {
            finish(FinishEmptyRows(ctx, *call));
          } else {
            finish(status);
          }
        });
  }

 private:
  struct Call {
    int64_t rows = 0;  // this rank's
    int64_t element_bytes = 1;
    int64_t row_bytes = 0;               // the same on every rank
    std::vector<int64_t> gathered_rows;  // where the numbers of empty rows arrive
  };

  static Status Allocate(OpKernelContext* ctx, Call* call, const std::vector<int64_t>& counts,
                         void** out) {
    if (call->row_bytes == 0) {
      call->gathered_rows.resize(counts.size());
      *out = call->gathered_rows.data();
      return OkStatus();
    }
    std::vector<int64_t> rows;
    for (size_t rank = 0; rank < counts.size(); ++rank) {
      const int64_t bytes = counts[rank] * call->element_bytes;
      if (bytes % call->row_bytes != 0) {
        return InvalidArgument(absl::StrCat(
            "rank ", rank, " sends ", bytes, " bytes, which are not whole rows of the ",
            call->row_bytes, " bytes that a row has here: only the first dimension may differ"));
      }
      rows.push_back(bytes / call->row_bytes);
    }
    return AllocateRows(ctx, rows, out);
  }

  static Status FinishEmptyRows(OpKernelContext* ctx, const Call& call) {
    void* unused;
    return AllocateRows(ctx, call.gathered_rows, &unused);
  }

  static Status AllocateRows(OpKernelContext* ctx, const std::vector<int64_t>& rows, void** out) {
    TensorShape shape = ctx->input(0).shape();
    int64_t sum = 0;
    for (int64_t n : rows) sum += n;
    shape.set_dim(0, sum);
    Tensor* output = nullptr;
    Tensor* output_rows = nullptr;
    absl::Status status = ctx->allocate_output(0, shape, &output);
    if (status.ok()) {
      status =
          ctx->allocate_output(1, TensorShape({static_cast<int64_t>(rows.size())}), &output_rows);
    }
    if (!status.ok()) return Internal(std::string(status.message()));
    std::copy(rows.begin(), rows.end(), output_rows->flat<int64_t>().data());
    *out = Data(output);
    return OkStatus();
  }

  std::string name_;
};

class KeepKernel : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext*) override {}
  bool IsExpensive() override { return false; }
};

REGISTER_KERNEL_BUILDER(Name("DdlKeep").Device(tensorflow::DEVICE_CPU), KeepKernel);
REGISTER_KERNEL_BUILDER(Name("DdlKeep").Device(tensorflow::DEVICE_GPU), KeepKernel);

REGISTER_KERNEL_BUILDER(Name("DdlAllReduce").Device(tensorflow::DEVICE_CPU), AllReduceKernel);
REGISTER_KERNEL_BUILDER(Name("DdlGroupAllReduce").Device(tensorflow::DEVICE_CPU),
                        GroupAllReduceKernel);
REGISTER_KERNEL_BUILDER(Name("DdlBroadcast").Device(tensorflow::DEVICE_CPU), BroadcastKernel);
REGISTER_KERNEL_BUILDER(Name("DdlAllGather").Device(tensorflow::DEVICE_CPU), AllGatherKernel);

REGISTER_KERNEL_BUILDER(Name("DdlAllReduce")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("input")
                            .HostMemory("token")
                            .HostMemory("contributes")
                            .HostMemory("output"),
                        AllReduceKernel);
REGISTER_KERNEL_BUILDER(Name("DdlGroupAllReduce")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("inputs")
                            .HostMemory("token")
                            .HostMemory("contributes")
                            .HostMemory("outputs"),
                        GroupAllReduceKernel);
REGISTER_KERNEL_BUILDER(
    Name("DdlBroadcast").Device(tensorflow::DEVICE_GPU).HostMemory("input").HostMemory("output"),
    BroadcastKernel);
REGISTER_KERNEL_BUILDER(Name("DdlAllGather")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("input")
                            .HostMemory("token")
                            .HostMemory("output")
                            .HostMemory("rows"),
                        AllGatherKernel);

}  // namespace
}  // namespace tf_ddl
