#include "nccl/kernels.h"

#include <algorithm>

#include "base/log.h"

namespace tf_ddl {
namespace {

// Enough to keep any GPU's memory busy; each block looks for more when it has done a stretch.
constexpr int64_t kMostBlocks = 1024;

// The driver's ways of saying that an image is not for this GPU or this driver.
bool IsOfTheImage(CuResult result) {
  return result == kCudaErrorInvalidImage || result == kCudaErrorNoBinaryForGpu ||
         result == kCudaErrorInvalidPtx || result == kCudaErrorUnsupportedPtxVersion ||
         result == kCudaErrorJitCompilerNotFound;
}

}  // namespace

Packing PackTogether(const std::vector<TensorSegment>& segments, size_t element_bytes) {
  const int64_t grain = 16 / static_cast<int64_t>(element_bytes);
  Packing packing;
  for (const TensorSegment& segment : segments) {
    packing.begins.push_back(packing.count);
    packing.count += (segment.count + grain - 1) / grain * grain;
  }
  return packing;
}

Status Kernels::Load(std::shared_ptr<Device> device, const std::vector<KernelImage>& images,
                     std::unique_ptr<Kernels>* kernels) {
  std::unique_ptr<Kernels> loaded(new Kernels(std::move(device)));
  Status status = Internal("there is no image of the GPU kernels");
  for (const KernelImage& image : images) {
    const CuResult result = loaded->device_->cuda().module_load_data(&loaded->module_, image.data);
    status = loaded->device_->Check(result, ("cuModuleLoadData of the " + image.form).c_str());
    if (status.ok()) {
      loaded->form_ = image.form;
      break;
    }
    loaded->module_ = nullptr;
    if (!IsOfTheImage(result)) return status;
    DDL_LOG(kInfo) << status.message();
  }
  DDL_RETURN_IF_ERROR(status);
  DDL_RETURN_IF_ERROR(loaded->Find());
  *kernels = std::move(loaded);
  return OkStatus();
}

Status Kernels::Find() {
  const struct {
    const char* name;
    CuFunction* function;
  } all[] = {
      {"ddl_pack_bf16", &pack_bf16_},
      {"ddl_pack_f16", &pack_f16_},
      {"ddl_unpack_bf16", &unpack_bf16_},
      {"ddl_unpack_f16", &unpack_f16_},
      {"ddl_pack_2", &pack_2_},
      {"ddl_pack_4", &pack_4_},
      {"ddl_pack_8", &pack_8_},
      {"ddl_unpack_2", &unpack_2_},
      {"ddl_unpack_4", &unpack_4_},
      {"ddl_unpack_8", &unpack_8_},
      {"ddl_divide_i32", &divide_i32_},
      {"ddl_divide_i64", &divide_i64_},
      {"ddl_busy", &busy_},
  };
  for (const auto& [name, function] : all) {
    DDL_RETURN_IF_ERROR(device_->Check(device_->cuda().module_get_function(function, module_, name),
                                       "cuModuleGetFunction"));
  }
  return OkStatus();
}

Kernels::~Kernels() {
  if (module_ == nullptr || device_->abandoned()) return;
  const ScopedContext current = device_->Use();
  device_->cuda().module_unload(module_);
}

Status Kernels::ForTables(CuFunction function, const std::vector<TensorSegment>& segments,
                          const std::vector<int64_t>& begins, bool inputs,
                          const std::vector<void*>& arguments, CuStream stream) const {
  for (size_t first = 0; first < segments.size(); first += kTableTensors) {
    KernelTable table;
    const size_t last = std::min(segments.size(), first + kTableTensors);
    table.tensors = static_cast<int64_t>(last - first);
    for (size_t i = first; i < last; ++i) {
      const void* pointer = inputs ? segments[i].in : segments[i].out;
      table.pointers[i - first] = reinterpret_cast<uint64_t>(pointer);
      table.begins[i - first] = begins[i];
      table.counts[i - first] = segments[i].count;
    }
    const int64_t elements = begins[last - 1] + segments[last - 1].count - begins[first];
    const int64_t blocks = std::min(kMostBlocks, (elements + kBlockElements - 1) / kBlockElements);
    std::vector<void*> parameters = {&table};
    parameters.insert(parameters.end(), arguments.begin(), arguments.end());
    DDL_RETURN_IF_ERROR(device_->Check(
        device_->cuda().launch_kernel(function, static_cast<unsigned int>(blocks), 1, 1,
                                      kKernelThreads, 1, 1, 0, stream, parameters.data(), nullptr),
        "cuLaunchKernel"));
  }
  return OkStatus();
}

Status Kernels::Pack(const std::vector<TensorSegment>& segments, const Packing& packing,
                     DType dtype, WireFormat wire, CuPointer packed, CuStream stream) const {
  CuFunction function = SizeOf(dtype) == 2 ? pack_2_ : SizeOf(dtype) == 4 ? pack_4_ : pack_8_;
  if (wire == WireFormat::kBFloat16) function = pack_bf16_;
  if (wire == WireFormat::kFloat16) function = pack_f16_;
  return ForTables(function, segments, packing.begins, true, {&packed}, stream);
}

Status Kernels::Unpack(const std::vector<TensorSegment>& segments, const Packing& packing,
                       DType dtype, WireFormat wire, CuPointer packed, int divisor,
                       CuStream stream) const {
  float float_divisor = static_cast<float>(divisor);
  if (wire != WireFormat::kAsIs) {
    const CuFunction function = wire == WireFormat::kBFloat16 ? unpack_bf16_ : unpack_f16_;
    return ForTables(function, segments, packing.begins, false, {&packed, &float_divisor}, stream);
  }
  const CuFunction function = SizeOf(dtype) == 2   ? unpack_2_
                              : SizeOf(dtype) == 4 ? unpack_4_
                                                   : unpack_8_;
  return ForTables(function, segments, packing.begins, false, {&packed}, stream);
}

Status Kernels::Divide(const std::vector<TensorSegment>& segments, DType dtype, int divisor,
                       CuStream stream) const {
  int64_t divisor64 = divisor;
  int32_t divisor32 = divisor;
  const Packing packing = PackTogether(segments, SizeOf(dtype));
  const bool wide = dtype == DType::kInt64;
  return ForTables(wide ? divide_i64_ : divide_i32_, segments, packing.begins, false,
                   {wide ? static_cast<void*>(&divisor64) : &divisor32}, stream);
}

Status Kernels::Busy(CuPointer values, int64_t n, int rounds, unsigned int blocks,
                     CuStream stream) const {
  int32_t rounds32 = rounds;
  void* parameters[] = {&values, &n, &rounds32};
  return device_->Check(device_->cuda().launch_kernel(busy_, blocks, 1, 1, kKernelThreads, 1, 1, 0,
                                                      stream, parameters, nullptr),
                        "cuLaunchKernel");
}

}  // namespace tf_ddl
