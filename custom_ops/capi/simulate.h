// The C interface of the simulator (plan/simulate.h), for tf_ddl/simulate. Same conventions as
// capi/ddl.h.
#ifndef TF_DDL_CAPI_SIMULATE_H_
#define TF_DDL_CAPI_SIMULATE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Hosts that are all alike; the last may have fewer ranks. Costs in seconds and seconds per byte.
typedef struct {
  int32_t ranks;
  int32_t ranks_per_host;
  double local_alpha;
  double local_beta;
  double gamma;
  int32_t rails;
  const double* rail_alpha;
  const double* rail_beta;
  const char* grid;  // "4x8x8", X first; "": none given
  int32_t shared_engine;
} ddl_cluster;

typedef struct {
  const char* plan;     // an algorithm's name; "": the cheapest for each size
  int64_t chunk_bytes;  // 0: chosen
  int64_t first_bucket_bytes;
  int64_t bucket_bytes;
  int32_t max_lanes;
  int32_t fold;  // 0: simulate every rank
} ddl_simulated_engine;

// A step in which float32 tensor i, of counts[i] elements, is ready everywhere at ready[i] seconds;
// they ride in buckets in order of that. `*end`: when all are reduced. `*report` is a JSON object,
// freed by ddl_free: {"buckets": [{"bytes", "start", "end", "plan"}, ...], "messages", "folded"}.
int ddl_simulate(const ddl_cluster* cluster, const ddl_simulated_engine* engine, int32_t n,
                 const int64_t* counts, const double* ready, double* end, char** report,
                 char* error, size_t error_size);

#ifdef __cplusplus
}
#endif

#endif  // TF_DDL_CAPI_SIMULATE_H_
