// The part of the CUDA driver's binary interface that is used, declared here so that building needs
// no CUDA toolkit. Facts of cuda.h. The CUDA runtime is not needed: NCCL brings its own, and works
// in the device's primary context as the driver, TensorFlow and we do.
#ifndef TF_DDL_NCCL_CUDA_ABI_H_
#define TF_DDL_NCCL_CUDA_ABI_H_

#include <cstddef>
#include <cstdint>

namespace tf_ddl {

using CuDevice = int;
using CuContext = struct CuContextHandle*;
using CuStream = struct CuStreamHandle*;
using CuEvent = struct CuEventHandle*;
using CuModule = struct CuModuleHandle*;
using CuFunction = struct CuFunctionHandle*;
using CuPointer = unsigned long long;  // CUdeviceptr

struct CuUuid {
  char bytes[16];
};

enum CuResult : int {
  kCudaSuccess = 0,
  kCudaErrorInvalidValue = 1,
  kCudaErrorOutOfMemory = 2,
  kCudaErrorNotInitialized = 3,
  kCudaErrorNoDevice = 100,
  kCudaErrorInvalidDevice = 101,
  kCudaErrorInvalidImage = 200,
  kCudaErrorInvalidContext = 201,
  kCudaErrorNoBinaryForGpu = 209,
  kCudaErrorInvalidPtx = 218,
  kCudaErrorJitCompilerNotFound = 221,
  kCudaErrorUnsupportedPtxVersion = 222,
  kCudaErrorNotFound = 500,
  kCudaErrorNotReady = 600,
  kCudaErrorIllegalAddress = 700,
  kCudaErrorLaunchFailed = 719,
};

constexpr unsigned int kCuStreamNonBlocking = 1;
constexpr unsigned int kCuEventDisableTiming = 2;
constexpr int kCuComputeCapabilityMajor = 75;
constexpr int kCuComputeCapabilityMinor = 76;

// The oldest driver that is used: of CUDA 11.
constexpr int kOldestCudaDriver = 11000;

// As DDL_NCCL_FUNCTIONS.
#define DDL_CUDA_FUNCTIONS(F)                                                                  \
  F(init, cuInit, "2.0", CuResult, (unsigned int))                                             \
  F(driver_get_version, cuDriverGetVersion, "2.2", CuResult, (int*))                           \
  F(get_error_name, cuGetErrorName, "6.0", CuResult, (CuResult, const char**))                 \
  F(get_error_string, cuGetErrorString, "6.0", CuResult, (CuResult, const char**))             \
  F(device_get_count, cuDeviceGetCount, "2.0", CuResult, (int*))                               \
  F(device_get, cuDeviceGet, "2.0", CuResult, (CuDevice*, int))                                \
  F(device_get_name, cuDeviceGetName, "2.0", CuResult, (char*, int, CuDevice))                 \
  F(device_get_uuid, cuDeviceGetUuid, "9.2", CuResult, (CuUuid*, CuDevice))                    \
  F(device_get_attribute, cuDeviceGetAttribute, "2.0", CuResult, (int*, int, CuDevice))        \
  F(device_total_mem, cuDeviceTotalMem_v2, "3.2", CuResult, (size_t*, CuDevice))               \
  F(primary_ctx_retain, cuDevicePrimaryCtxRetain, "7.0", CuResult, (CuContext*, CuDevice))     \
  F(primary_ctx_release, cuDevicePrimaryCtxRelease_v2, "11.0", CuResult, (CuDevice))           \
  F(ctx_set_current, cuCtxSetCurrent, "4.0", CuResult, (CuContext))                            \
  F(ctx_get_current, cuCtxGetCurrent, "4.0", CuResult, (CuContext*))                           \
  F(ctx_get_stream_priority_range, cuCtxGetStreamPriorityRange, "5.5", CuResult, (int*, int*)) \
  F(stream_create_with_priority, cuStreamCreateWithPriority, "5.5", CuResult,                  \
    (CuStream*, unsigned int, int))                                                            \
  F(stream_destroy, cuStreamDestroy_v2, "4.0", CuResult, (CuStream))                           \
  F(stream_query, cuStreamQuery, "2.0", CuResult, (CuStream))                                  \
  F(stream_wait_event, cuStreamWaitEvent, "3.2", CuResult, (CuStream, CuEvent, unsigned int))  \
  F(event_create, cuEventCreate, "2.0", CuResult, (CuEvent*, unsigned int))                    \
  F(event_destroy, cuEventDestroy_v2, "4.0", CuResult, (CuEvent))                              \
  F(event_record, cuEventRecord, "2.0", CuResult, (CuEvent, CuStream))                         \
  F(event_query, cuEventQuery, "2.0", CuResult, (CuEvent))                                     \
  F(event_elapsed_time, cuEventElapsedTime, "2.0", CuResult, (float*, CuEvent, CuEvent))       \
  F(mem_alloc, cuMemAlloc_v2, "3.2", CuResult, (CuPointer*, size_t))                           \
  F(mem_free, cuMemFree_v2, "3.2", CuResult, (CuPointer))                                      \
  F(memcpy_dtod_async, cuMemcpyDtoDAsync_v2, "3.2", CuResult,                                  \
    (CuPointer, CuPointer, size_t, CuStream))                                                  \
  F(memcpy_htod, cuMemcpyHtoD_v2, "3.2", CuResult, (CuPointer, const void*, size_t))           \
  F(memcpy_dtoh, cuMemcpyDtoH_v2, "3.2", CuResult, (void*, CuPointer, size_t))                 \
  F(module_load_data, cuModuleLoadData, "2.0", CuResult, (CuModule*, const void*))             \
  F(module_unload, cuModuleUnload, "2.0", CuResult, (CuModule))                                \
  F(module_get_function, cuModuleGetFunction, "2.0", CuResult,                                 \
    (CuFunction*, CuModule, const char*))                                                      \
  F(launch_kernel, cuLaunchKernel, "4.0", CuResult,                                            \
    (CuFunction, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,         \
     unsigned int, unsigned int, CuStream, void**, void**))

struct CudaApi {
#define DDL_MEMBER(member, symbol, since, result, arguments) result(*member) arguments = nullptr;
  DDL_CUDA_FUNCTIONS(DDL_MEMBER)
#undef DDL_MEMBER
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_CUDA_ABI_H_
