// Kernels of ops/ddl_ops.cc. All are asynchronous: ComputeAsync hands the buffers to the engine and
// returns; the engine's callback finishes the op. Tensors live in the op's context until then.
//
// On a GPU device the tensors are in host memory: TensorFlow copies them there and back. Those of
// device_kernels.cc stay where they are.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "kernels/all_reduce.h"
#include "kernels/completion.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tf_ddl {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

bool HasFixedSize(tensorflow::DataType dtype) { return tensorflow::DataTypeCanUseMemcpy(dtype); }

// Bytes of what the engine calls an element: tf_ddl/_tf/ops.py registers dtypes that the core does
// not know as bytes.
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

REGISTER_KERNEL_BUILDER(Name("DdlAllReduce").Device(tensorflow::DEVICE_CPU),
                        AllReduceKernel<HostMemory>);
REGISTER_KERNEL_BUILDER(Name("DdlGroupAllReduce").Device(tensorflow::DEVICE_CPU),
                        GroupAllReduceKernel<HostMemory>);
REGISTER_KERNEL_BUILDER(Name("DdlBroadcast").Device(tensorflow::DEVICE_CPU), BroadcastKernel);
REGISTER_KERNEL_BUILDER(Name("DdlAllGather").Device(tensorflow::DEVICE_CPU), AllGatherKernel);

REGISTER_KERNEL_BUILDER(Name("DdlAllReduce")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("input")
                            .HostMemory("token")
                            .HostMemory("contributes")
                            .HostMemory("output"),
                        AllReduceKernel<HostMemory>);
REGISTER_KERNEL_BUILDER(Name("DdlGroupAllReduce")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("inputs")
                            .HostMemory("token")
                            .HostMemory("contributes")
                            .HostMemory("outputs"),
                        GroupAllReduceKernel<HostMemory>);
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
