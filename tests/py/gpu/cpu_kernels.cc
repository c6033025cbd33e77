// TEST CODE. The kernels of DdlDeviceAllReduce and DdlDeviceGroupAllReduce on a CPU device, so that
// the way of a gradient from TensorFlow to the device communicator can be tested where there is no
// GPU. It only makes sense with libraries whose "GPU memory" is host memory (tests/cc/fake_nccl).
// Never installed, never in the wheel.
#include "kernels/all_reduce.h"

namespace tf_ddl {
namespace {

struct FakeGpuMemory : HostMemory {
  static constexpr bool kAlone = false;
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
