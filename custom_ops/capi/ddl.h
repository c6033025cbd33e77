// The C interface of the core library, for Python's ctypes (tf_ddl/_native/library.py). Functions
// return a code (base/status.h) and, unless it is 0, write a message of at most `error_size` bytes.
#ifndef TF_DDL_CAPI_DDL_H_
#define TF_DDL_CAPI_DDL_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t rank;
  int32_t size;
  const char* rendezvous;
  const char* secret;
  int32_t host_store;
  double join_timeout;
  int32_t use_shared_memory;
  int32_t use_cma;
  const char* interfaces;
  int32_t sockets_per_rail;
  int64_t bucket_bytes;
  int64_t first_bucket_bytes;
  double timeout;
  double stall_warning;
  // Texts of plan/topology.h; empty: as discovered, as measured.
  const char* grid;
  const char* topology;
  const char* links;
  int32_t measure_links;
  const char* plan;
  int64_t chunk_bytes;
  int32_t compression;  // 0: none, 1: bfloat16, 2: float16
  int32_t autotune;
  int32_t tune_buckets;
  int32_t deterministic;
  int32_t huge_pages;
  int32_t own_cores;
} ddl_config;

typedef struct {
  const char* name;
  int32_t dtype;
  int32_t dims;
  const int64_t* shape;
} ddl_tensor_spec;

// What a process has for reducing GPU memory. Libraries: one a line, tried in order, before those
// of the system; with `only` nothing else is tried.
typedef struct {
  int32_t ordinal;    // of its GPU, among those that the CUDA driver shows it; -1: it uses none
  int32_t reduction;  // 0: NCCL where all ranks can, 1: NCCL or an error, 2: by way of the host
  const char* nccl_libraries;
  const char* cuda_libraries;
  int32_t only_nccl;
  int32_t only_cuda;
  int32_t share;  // other ranks may use the same GPU
} ddl_gpu_config;

// Without a GPU. Ranks with and without one may be in one job.
int ddl_engine_create(const ddl_config* config, int64_t* engine, char* error, size_t error_size);
// `*outcome`, to be freed by ddl_free: {"used": whether groups in GPU memory can be registered,
// "description": of the communicator, "reason": why not, where it was wanted}
int ddl_engine_create_with_gpu(const ddl_config* config, const ddl_gpu_config* gpu, int64_t* engine,
                               char** outcome, char* error, size_t error_size);
// What was found of NCCL and the CUDA driver (nccl/libraries.h), as JSON; ordinal and reduction do
// not matter.
char* ddl_gpu_report(const ddl_gpu_config* gpu);
int ddl_engine_shutdown(int64_t engine);
int ddl_engine_abort(int64_t engine, int code, const char* message);
int ddl_engine_health(int64_t engine, char* error, size_t error_size);

int ddl_register_group(int64_t engine, const char* key, int kind, int reduce_op, int root,
                       const ddl_tensor_spec* tensors, int32_t num_tensors, uint64_t* group,
                       char* error, size_t error_size);

// Likewise, of tensors in GPU memory, an all-reduce; only op kernels call it.
int ddl_register_device_group(int64_t engine, const char* key, int reduce_op,
                              const ddl_tensor_spec* tensors, int32_t num_tensors, uint64_t* group,
                              char* error, size_t error_size);

// Blocking collectives over host memory. `call` says what is called, for example
// "all_reduce sum float32[3]": ranks whose texts differ all get an error that quotes them.
// `n` tensors: all of the group's, in order.
int ddl_all_reduce(int64_t engine, uint64_t group, const char* call, int32_t n,
                   const void* const* in, void* const* out, const int64_t* counts, char* error,
                   size_t error_size);
int ddl_broadcast(int64_t engine, uint64_t group, const char* call, const void* in, void* out,
                  int64_t count, char* error, size_t error_size);
// `counts` has room for `size` numbers; `*out` is allocated with malloc and freed by ddl_free.
int ddl_all_gather(int64_t engine, uint64_t group, const char* call, const void* in, int64_t count,
                   size_t element_bytes, int64_t* counts, void** out, char* error,
                   size_t error_size);
void ddl_free(void* memory);

// JSON texts; freed by ddl_free.
char* ddl_engine_stats(int64_t engine);
// {"topology", "links", "table": texts of plan/; "plan", "chunk_bytes", "all_pull": wishes; "news":
// what was changed while training; "by_size": [{"up_to_bytes", "name"}]; "buckets": [{"plan",
// "bytes", "count", "seconds"}]}
char* ddl_engine_plans(int64_t engine);
int ddl_engine_record_timeline(int64_t engine, int enabled);
char* ddl_engine_timeline(int64_t engine);

// A rendezvous store run by the launcher. `port` 0 picks a free one.
int ddl_store_create(const char* host, int32_t port, int32_t size, const char* secret,
                     double join_timeout, int64_t* store, int32_t* bound_port, char* error,
                     size_t error_size);
int ddl_store_destroy(int64_t store);

// The compiler, for tf_ddl.build_info().
const char* ddl_build_info(void);

#ifdef __cplusplus
}
#endif

#endif  // TF_DDL_CAPI_DDL_H_
