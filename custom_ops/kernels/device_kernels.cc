// All-reduces of tensors in GPU memory, by the engine's device communicator.
//
// ComputeAsync runs when the host has issued whatever computes the gradient, which may be long
// before the GPU has computed it. So the engine gets the place on TensorFlow's stream behind which
// the gradient is there, and has its own stream wait for that. TensorFlow's stream waits for
// nothing. The op ends, by the engine's callback, when the result is in GPU memory; until then its
// context holds the tensors. Memory that the allocator gave to an output may still be in use by
// kernels issued before: they stand before that place on the stream, too.
//
// These are ops of their own because a kernel's registration says whether its tensors are in host
// memory, and a job may reduce GPU tensors by way of the host (DdlAllReduce on a GPU).
//
// Nothing here is CUDA: streams are reached through TensorFlow's virtual functions, so that this
// builds against a TensorFlow without GPUs and loads there.
#include "kernels/all_reduce.h"
#include "tensorflow/core/framework/device_base.h"
#include "xla/stream_executor/stream.h"

namespace tf_ddl {
namespace {

struct GpuMemory {
  static constexpr bool kAlone = false;

  static absl::Status Zero(tensorflow::OpKernelContext* ctx, void* data, size_t bytes) {
    if (bytes == 0) return absl::OkStatus();
    stream_executor::Stream* stream = StreamOf(ctx);
    if (stream == nullptr) return NoStream();
    stream_executor::DeviceAddressBase address(data, bytes);
    return stream->MemZero(&address, bytes);
  }

  class Reduce {
   public:
    explicit Reduce(tensorflow::OpKernelContext* ctx) : stream_(StreamOf(ctx)) {}
    void operator()(Engine* engine, uint64_t group, int index, const void* in, void* out,
                    int64_t count, Engine::Done done) const {
      void* handle = stream_ == nullptr ? nullptr : stream_->platform_specific_handle().stream;
      if (handle == nullptr) {
        const Status status = Internal(std::string(NoStream().message()));
        engine->Abort(status);  // the other ranks would wait in vain
        return done(status);
      }
      engine->AllReduceOnDevice(group, index, in, out, count, handle, std::move(done));
    }

   private:
    stream_executor::Stream* const stream_;
  };

 private:
  static stream_executor::Stream* StreamOf(tensorflow::OpKernelContext* ctx) {
    tensorflow::DeviceContext* device = ctx->op_device_context();
    return device == nullptr ? nullptr : device->stream();
  }
  static absl::Status NoStream() {
    return absl::InternalError(
        "TensorFlow's GPU device shows no CUDA stream; DDL_GPU_REDUCTION=host does without it");
  }
};

REGISTER_KERNEL_BUILDER(Name("DdlDeviceAllReduce")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("token")
                            .HostMemory("contributes"),
                        AllReduceKernel<GpuMemory>);
REGISTER_KERNEL_BUILDER(Name("DdlDeviceGroupAllReduce")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("token")
                            .HostMemory("contributes"),
                        GroupAllReduceKernel<GpuMemory>);

}  // namespace
}  // namespace tf_ddl
