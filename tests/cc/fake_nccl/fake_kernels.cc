// TEST CODE: see fake_control.h.
#include "fake_kernels.h"

#include <cstdint>

#include "base/half.h"

namespace {
struct Dim {
  unsigned int x = 0;
};
thread_local Dim blockIdx, threadIdx, blockDim, gridDim;
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) ushort4 {
  uint16_t x, y, z, w;
};
inline uint16_t ToFloat16(float v) { return tf_ddl::Float16::FromFloat(v).bits; }
inline float FromFloat16(uint16_t v) { return tf_ddl::Float16::ToFloat({v}); }
inline uint16_t ToBFloat16(float v) { return tf_ddl::BFloat16::FromFloat(v).bits; }
inline float FromBFloat16(uint16_t v) { return tf_ddl::BFloat16::ToFloat({v}); }
}  // namespace

#define TF_DDL_KERNELS_ON_CPU
#define __global__ static
#define __device__
#define __forceinline__ inline
#define __grid_constant__
#include "nccl/kernels.cu"

namespace {

using Arguments = std::vector<std::string>;

template <typename T>
T Argument(const Arguments& arguments, size_t i) {
  T value;
  std::char_traits<char>::copy(reinterpret_cast<char*>(&value), arguments[i].data(), sizeof value);
  return value;
}
const tf_ddl::KernelTable& Table(const Arguments& arguments) {
  return *reinterpret_cast<const tf_ddl::KernelTable*>(arguments[0].data());
}

constexpr size_t kTable = sizeof(tf_ddl::KernelTable);

#define FAKE_PACK(name, type) \
  {#name, {kTable, 8}, [](const Arguments& a) { name(Table(a), Argument<type*>(a, 1)); }}
#define FAKE_UNPACK(name)                                                    \
  {#name, {kTable, 8, 4}, [](const Arguments& a) {                           \
     name(Table(a), Argument<const uint16_t*>(a, 1), Argument<float>(a, 2)); \
   }}

const FakeKernel kKernels[] = {
    FAKE_PACK(ddl_pack_bf16, uint16_t),
    FAKE_PACK(ddl_pack_f16, uint16_t),
    FAKE_UNPACK(ddl_unpack_bf16),
    FAKE_UNPACK(ddl_unpack_f16),
    FAKE_PACK(ddl_pack_2, uint16_t),
    FAKE_PACK(ddl_pack_4, uint32_t),
    FAKE_PACK(ddl_pack_8, uint64_t),
    FAKE_PACK(ddl_unpack_2, const uint16_t),
    FAKE_PACK(ddl_unpack_4, const uint32_t),
    FAKE_PACK(ddl_unpack_8, const uint64_t),
    {"ddl_divide_i32",
     {kTable, 4},
     [](const Arguments& a) { ddl_divide_i32(Table(a), Argument<int32_t>(a, 1)); }},
    {"ddl_divide_i64",
     {kTable, 8},
     [](const Arguments& a) { ddl_divide_i64(Table(a), Argument<int64_t>(a, 1)); }},
    {"ddl_busy",
     {8, 8, 4},
     [](const Arguments& a) {
       ddl_busy(Argument<float*>(a, 0), Argument<int64_t>(a, 1), Argument<int32_t>(a, 2));
     }},
};

}  // namespace

const FakeKernel* FindFakeKernel(const std::string& name) {
  for (const FakeKernel& kernel : kKernels) {
    if (kernel.name == name) return &kernel;
  }
  return nullptr;
}

void RunFakeKernel(const FakeKernel& kernel, unsigned int grid_x, unsigned int block_x,
                   const std::vector<std::string>* arguments) {
  gridDim = {grid_x};
  blockDim = {block_x};
  for (blockIdx.x = 0; blockIdx.x < grid_x; ++blockIdx.x) {
    for (threadIdx.x = 0; threadIdx.x < block_x; ++threadIdx.x) kernel.run(*arguments);
  }
}
