// The C interface of the planner, for tf_ddl/_native/planner.py: pure functions of texts. Same
// conventions as capi/ddl.h. Topologies, links and tables of plans travel in the form of
// plan/topology.h and plan/choose.h; an empty text of links stands for UsualLinks. `*json` is freed
// by ddl_free.
#ifndef TF_DDL_CAPI_PLAN_H_
#define TF_DDL_CAPI_PLAN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// {"size", "hosts": [{"name", "ranks", "gpus", "networks"}], "rails", "grid"}
int ddl_plan_topology(const char* topology, char** json, char* error, size_t error_size);

// {"local": [alpha, beta], "gamma", "rails": [[alpha, beta]]}: what is assumed of `rails` rails.
int ddl_plan_usual_links(int32_t rails, char** json, char* error, size_t error_size);

// {"candidates": [{"name", "table", "seconds"}], "chosen": {likewise}, "by_size": [{"up_to_bytes",
// "name"}], "table"}. Candidates are for a bucket of `bytes`, the cheapest first; their tables, for
// the functions below, have one entry. `plan`, `chunk_bytes`, `all_pull`: PlanWishes.
int ddl_plan_candidates(const char* topology, const char* links, int64_t bytes, const char* plan,
                        int64_t chunk_bytes, int32_t all_pull, char** json, char* error,
                        size_t error_size);

// {"name", "rank", "size", "count", "text", "lanes": [{"colour", "rail", "rounds": [[{"kind",
// "peer", "begin", "end", "buffer"}]]}]}: one rank's plan, as data and as text for people.
int ddl_plan_steps(const char* topology, const char* table, int32_t rank, int64_t count,
                   int64_t element_bytes, char** json, char* error, size_t error_size);

// {"messages", "rounds", "links": [[from rank, to rank, rail, elements]], "hosts": [by rail:
// [by host: [elements sent to other hosts, elements received from them]]]}. kInternal if the plans
// are wrong.
int ddl_plan_check(const char* topology, const char* table, int64_t count, int64_t element_bytes,
                   char** json, char* error, size_t error_size);

#ifdef __cplusplus
}
#endif

#endif  // TF_DDL_CAPI_PLAN_H_
