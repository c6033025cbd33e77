// Our kernels on the GPU: packing, casting, dividing. See kernels.cu.
#ifndef TF_DDL_NCCL_KERNELS_H_
#define TF_DDL_NCCL_KERNELS_H_

#include <memory>
#include <string>
#include <vector>

#include "base/wire.h"
#include "comm/communicator.h"
#include "nccl/device.h"
#include "nccl/kernel_images.h"
#include "nccl/kernel_table.h"

namespace tf_ddl {

// Where a bucket's tensors stand in one buffer: each from a multiple of 16 bytes on, so that all
// are copied in pieces of 16 bytes.
struct Packing {
  std::vector<int64_t> begins;  // elements of the buffer
  int64_t count = 0;            // elements in all
};
Packing PackTogether(const std::vector<TensorSegment>& segments, size_t element_bytes);

class Kernels {
 public:
  // From the first of the images that has code for this GPU. An error that is not the image's, as
  // one of the GPU, ends the search.
  static Status Load(std::shared_ptr<Device> device, const std::vector<KernelImage>& images,
                     std::unique_ptr<Kernels>* kernels);
  ~Kernels();

  // Of the image.
  const std::string& form() const { return form_; }

  // Inputs into `packed`; with a 16-bit format, from float32. All on `stream`.
  Status Pack(const std::vector<TensorSegment>& segments, const Packing& packing, DType dtype,
              WireFormat wire, CuPointer packed, CuStream stream) const;
  // And into the outputs again; those that were cast are divided by `divisor`, others copied.
  Status Unpack(const std::vector<TensorSegment>& segments, const Packing& packing, DType dtype,
                WireFormat wire, CuPointer packed, int divisor, CuStream stream) const;
  // Outputs, in place; of int32 or int64.
  Status Divide(const std::vector<TensorSegment>& segments, DType dtype, int divisor,
                CuStream stream) const;
  // For the benchmark.
  Status Busy(CuPointer values, int64_t n, int rounds, unsigned int blocks, CuStream stream) const;

 private:
  explicit Kernels(std::shared_ptr<Device> device) : device_(std::move(device)) {}
  Status Find();
  // Launches `function` for tables of the segments' inputs or outputs. `arguments`: behind the
  // table.
  Status ForTables(CuFunction function, const std::vector<TensorSegment>& segments,
                   const std::vector<int64_t>& begins, bool inputs,
                   const std::vector<void*>& arguments, CuStream stream) const;

  const std::shared_ptr<Device> device_;
  CuModule module_ = nullptr;
  std::string form_;
  CuFunction pack_bf16_ = nullptr, pack_f16_ = nullptr, unpack_bf16_ = nullptr,
             unpack_f16_ = nullptr, pack_2_ = nullptr, pack_4_ = nullptr, pack_8_ = nullptr,
             unpack_2_ = nullptr, unpack_4_ = nullptr, unpack_8_ = nullptr, divide_i32_ = nullptr,
             divide_i64_ = nullptr, busy_ = nullptr;
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_KERNELS_H_
