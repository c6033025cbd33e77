// TEST CODE. The kernels of DdlDeviceAllReduce and DdlDeviceGroupAllReduce on a CPU device, so that
// the way of a gradient from TensorFlow to the device communicator can be tested where there is no
// GPU. It only makes sense with libraries whose "GPU memory" is host memory (tests/cc/fake_nccl).
// Never installed, never in the wheel.
#include <cstring>

#include "kernels/all_reduce.h"

namespace tf_ddl {
namespace {

struct FakeGpuMemory {
  static constexpr bool kAlone = false;
  static absl::Status Zero(tensorflow::OpKernelContext*, void* data, size_t bytes) {
    std::memset(data, 0, bytes);
    return absl::OkStatus();
  }
  class Reduce {
   public:
    explicit Reduce(tensorflow::OpKernelContext*) {}
    void operator()(Engine* engine, uint64_t group, int index, const void* in, void* out,
                    int64_t count, Engine::Done done) const {
      engine->AllReduceOnDevice(group, index, in, out, count, nullptr, std::move(done));
    }
  };
};

REGISTER_KERNEL_BUILDER(Name("DdlDeviceAllReduce").Device(tensorflow::DEVICE_CPU),
                        AllReduceKernel<FakeGpuMemory>);
REGISTER_KERNEL_BUILDER(Name("DdlDeviceGroupAllReduce").Device(tensorflow::DEVICE_CPU),
                        GroupAllReduceKernel<FakeGpuMemory>);

}  // namespace
}  // namespace tf_ddl
