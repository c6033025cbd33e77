// The kernels of NcclCommunicator: packing a bucket's tensors into one buffer and back, with a cast
// to and from 16 bits on the way, and the division of integer means. All bound by memory.
//
// Each block does a stretch of the packed buffer, whichever tensors that is. Compiled to the PTX in
// kernels_ptx.inc by make_ptx.sh and, where nvcc is found when the project is built, to a fatbin; the
// tests of the core compile it for the CPU.
#ifndef TF_DDL_KERNELS_ON_CPU
#include <cstdint>
#endif

#include "nccl/kernel_table.h"

// Enough threads keep the memory busy; unrolling would only make the shipped text long.
#ifdef TF_DDL_KERNELS_ON_CPU
#define DDL_ROLLED
#else
#define DDL_ROLLED _Pragma("unroll 1")
#endif

namespace {

using tf_ddl::KernelTable;

#ifndef TF_DDL_KERNELS_ON_CPU
__device__ __forceinline__ uint16_t ToFloat16(float value) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
__device__ __forceinline__ float FromFloat16(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
// To nearest even, and NaN stays NaN. Older GPUs have no instruction for it.
__device__ __forceinline__ uint16_t ToBFloat16(float value) {
  const uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}
__device__ __forceinline__ float FromBFloat16(uint16_t bits) {
  return __uint_as_float(static_cast<uint32_t>(bits) << 16);
}
#endif

// Reads and writes of 16 bytes need addresses that are multiples of that.
template <typename T>
__device__ __forceinline__ bool Aligned(const T* pointer, uint64_t bytes) {
  return reinterpret_cast<uint64_t>(pointer) % bytes == 0;
}

// Calls `work(tensor's pointer, offset in it, offset in the packed buffer, elements)`, with all
// threads of the block, for the pieces of tensors that make up this block's stretches.
template <typename Work>
__device__ __forceinline__ void ForEachPiece(const KernelTable& table, Work work) {
  const int64_t last = table.tensors - 1;
  const int64_t end = table.begins[last] + table.counts[last];
  const int64_t stride = gridDim.x * tf_ddl::kBlockElements;
  int64_t from = table.begins[0] + blockIdx.x * tf_ddl::kBlockElements;
  DDL_ROLLED
  for (; from < end; from += stride) {
    const int64_t to = from + tf_ddl::kBlockElements;
    int64_t low = 0, high = last;  // the last tensor that begins at `from` or before
    DDL_ROLLED
    while (low < high) {
      const int64_t middle = (low + high + 1) / 2;
      if (table.begins[middle] <= from) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    DDL_ROLLED
    for (int64_t t = low; t <= last && table.begins[t] < to; ++t) {
      const int64_t begin = table.begins[t] > from ? table.begins[t] : from;
      const int64_t tensor_end = table.begins[t] + table.counts[t];
      const int64_t n = (tensor_end < to ? tensor_end : to) - begin;
      if (n > 0) work(table.pointers[t], begin - table.begins[t], begin, n);
    }
  }
}

// Of float32 tensors: out[i] = Narrow(in[i]).
template <uint16_t (*Narrow)(float)>
__device__ __forceinline__ void Pack(const KernelTable& table, uint16_t* packed) {
  ForEachPiece(table, [=](uint64_t tensor, int64_t offset, int64_t at, int64_t n) {
    const float* in = reinterpret_cast<const float*>(tensor) + offset;
    uint16_t* out = packed + at;
    int64_t done = 0;
    if (Aligned(in, 16) && Aligned(out, 8)) {
      DDL_ROLLED
      for (int64_t i = threadIdx.x; i < n / 4; i += blockDim.x) {
        const float4 v = reinterpret_cast<const float4*>(in)[i];
        ushort4 q;
        q.x = Narrow(v.x);
        q.y = Narrow(v.y);
        q.z = Narrow(v.z);
        q.w = Narrow(v.w);
        reinterpret_cast<ushort4*>(out)[i] = q;
      }
      done = n / 4 * 4;
    }
    DDL_ROLLED
    for (int64_t i = done + threadIdx.x; i < n; i += blockDim.x) out[i] = Narrow(in[i]);
  });
}

// Of float32 tensors: out[i] = Widen(in[i]) / divisor.
template <float (*Widen)(uint16_t)>
__device__ __forceinline__ void Unpack(const KernelTable& table, const uint16_t* packed,
                                       float divisor) {
  ForEachPiece(table, [=](uint64_t tensor, int64_t offset, int64_t at, int64_t n) {
    float* out = reinterpret_cast<float*>(tensor) + offset;
    const uint16_t* in = packed + at;
    int64_t done = 0;
    if (Aligned(out, 16) && Aligned(in, 8)) {
      DDL_ROLLED
      for (int64_t i = threadIdx.x; i < n / 4; i += blockDim.x) {
        const ushort4 q = reinterpret_cast<const ushort4*>(in)[i];
        float4 v;
        v.x = Widen(q.x) / divisor;
        v.y = Widen(q.y) / divisor;
        v.z = Widen(q.z) / divisor;
        v.w = Widen(q.w) / divisor;
        reinterpret_cast<float4*>(out)[i] = v;
      }
      done = n / 4 * 4;
    }
    DDL_ROLLED
    for (int64_t i = done + threadIdx.x; i < n; i += blockDim.x) out[i] = Widen(in[i]) / divisor;
  });
}

// As many pieces of 16 bytes as there are, then the rest.
template <typename T>
__device__ __forceinline__ void Copy(const T* from, T* to, int64_t n) {
  int64_t done = 0;
  if (Aligned(from, 16) && Aligned(to, 16)) {
    const int64_t per_piece = 16 / sizeof(T);
    DDL_ROLLED
    for (int64_t i = threadIdx.x; i < n / per_piece; i += blockDim.x) {
      reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
    }
    done = n / per_piece * per_piece;
  }
  DDL_ROLLED
  for (int64_t i = done + threadIdx.x; i < n; i += blockDim.x) to[i] = from[i];
}

template <typename T>
__device__ __forceinline__ void PackCopy(const KernelTable& table, T* packed) {
  ForEachPiece(table, [=](uint64_t tensor, int64_t offset, int64_t at, int64_t n) {
    Copy(reinterpret_cast<const T*>(tensor) + offset, packed + at, n);
  });
}

template <typename T>
__device__ __forceinline__ void UnpackCopy(const KernelTable& table, const T* packed) {
  ForEachPiece(table, [=](uint64_t tensor, int64_t offset, int64_t at, int64_t n) {
    Copy(packed + at, reinterpret_cast<T*>(tensor) + offset, n);
  });
}

// Towards zero, in place; there is no packed buffer, only its numbering.
template <typename T>
__device__ __forceinline__ void Divide(const KernelTable& table, T divisor) {
  ForEachPiece(table, [=](uint64_t tensor, int64_t offset, int64_t, int64_t n) {
    T* values = reinterpret_cast<T*>(tensor) + offset;
    DDL_ROLLED
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) values[i] /= divisor;
  });
}

}  // namespace

extern "C" {

__global__ void ddl_pack_bf16(const __grid_constant__ KernelTable table, uint16_t* packed) {
  Pack<ToBFloat16>(table, packed);
}
__global__ void ddl_pack_f16(const __grid_constant__ KernelTable table, uint16_t* packed) {
  Pack<ToFloat16>(table, packed);
}
__global__ void ddl_unpack_bf16(const __grid_constant__ KernelTable table, const uint16_t* packed,
                                float divisor) {
  Unpack<FromBFloat16>(table, packed, divisor);
}
__global__ void ddl_unpack_f16(const __grid_constant__ KernelTable table, const uint16_t* packed,
                               float divisor) {
  Unpack<FromFloat16>(table, packed, divisor);
}
// Of elements of 2, 4 and 8 bytes.
__global__ void ddl_pack_2(const __grid_constant__ KernelTable table, uint16_t* packed) {
  PackCopy(table, packed);
}
__global__ void ddl_pack_4(const __grid_constant__ KernelTable table, uint32_t* packed) {
  PackCopy(table, packed);
}
__global__ void ddl_pack_8(const __grid_constant__ KernelTable table, uint64_t* packed) {
  PackCopy(table, packed);
}
__global__ void ddl_unpack_2(const __grid_constant__ KernelTable table, const uint16_t* packed) {
  UnpackCopy(table, packed);
}
__global__ void ddl_unpack_4(const __grid_constant__ KernelTable table, const uint32_t* packed) {
  UnpackCopy(table, packed);
}
__global__ void ddl_unpack_8(const __grid_constant__ KernelTable table, const uint64_t* packed) {
  UnpackCopy(table, packed);
}
__global__ void ddl_divide_i32(const __grid_constant__ KernelTable table, int32_t divisor) {
  Divide<int32_t>(table, divisor);
}
__global__ void ddl_divide_i64(const __grid_constant__ KernelTable table, int64_t divisor) {
  Divide<int64_t>(table, divisor);
}
// Computes for `rounds` rounds, for the benchmark of overlap.
__global__ void ddl_busy(float* values, int64_t n, int32_t rounds) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  DDL_ROLLED
  for (int64_t i = first; i < n; i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    float v = values[i];
    DDL_ROLLED
    for (int32_t round = 0; round < rounds; ++round) v = v * 0.999f + 0.001f;
    values[i] = v;
  }
}

}  // extern "C"
