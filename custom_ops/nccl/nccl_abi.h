// The part of NCCL's binary interface that is used, declared here so that building needs no header
// of NCCL's. Facts of NCCL's public header, nccl.h, as it has stood since 2.18.
#ifndef TF_DDL_NCCL_NCCL_ABI_H_
#define TF_DDL_NCCL_NCCL_ABI_H_

#include <climits>
#include <cstddef>

namespace tf_ddl {

using NcclComm = struct NcclCommHandle*;

constexpr int kNcclUniqueIdBytes = 128;
struct NcclUniqueId {
  char bytes[kNcclUniqueIdBytes];
};

enum NcclResult : int {
  kNcclSuccess = 0,
  kNcclUnhandledCudaError = 1,
  kNcclSystemError = 2,
  kNcclInternalError = 3,
  kNcclInvalidArgument = 4,
  kNcclInvalidUsage = 5,
  kNcclRemoteError = 6,  // since 2.14, as the next
  kNcclInProgress = 7,
};

enum NcclDataType : int {
  kNcclInt8 = 0,
  kNcclUint8 = 1,
  kNcclInt32 = 2,
  kNcclUint32 = 3,
  kNcclInt64 = 4,
  kNcclUint64 = 5,
  kNcclFloat16 = 6,
  kNcclFloat32 = 7,
  kNcclFloat64 = 8,
  kNcclBfloat16 = 9,  // since 2.10
};

enum NcclRedOp : int { kNcclSum = 0, kNcclProd = 1, kNcclMax = 2, kNcclMin = 3, kNcclAvg = 4 };

// The encoding of versions since 2.9: 2.18.3 is 21803.
constexpr int NcclVersionCode(int major, int minor, int patch) {
  return major * 10000 + minor * 100 + patch;
}

// ncclConfig_t as of 2.18. Newer libraries take the fields that the caller's version did not know
// from their own defaults: they look at `size` and `version`.
constexpr int kNcclUndefInt = INT_MIN;
struct NcclConfig {
  size_t size = sizeof(NcclConfig);
  unsigned int magic = 0xcafebeef;
  unsigned int version = NcclVersionCode(2, 18, 1);
  int blocking = kNcclUndefInt;
  int cga_cluster_size = kNcclUndefInt;
  int min_ctas = kNcclUndefInt;
  int max_ctas = kNcclUndefInt;
  const char* net_name = nullptr;
  int split_share = kNcclUndefInt;
};
static_assert(offsetof(NcclConfig, blocking) == 16 && offsetof(NcclConfig, net_name) == 32 &&
                  offsetof(NcclConfig, split_share) == 40,
              "ncclConfig_t of nccl.h");

// The oldest NCCL that has everything: ncclCommSplit came with it.
constexpr int kOldestNccl = NcclVersionCode(2, 18, 1);

// name of the member, name of the symbol, since which version, result and arguments. One line a
// function: the table that libraries.cc looks up and the report prints.
#define DDL_NCCL_FUNCTIONS(F)                                                                    \
  F(get_version, ncclGetVersion, "2.2", NcclResult, (int*))                                      \
  F(get_unique_id, ncclGetUniqueId, "2.0", NcclResult, (NcclUniqueId*))                          \
  F(comm_init_rank_config, ncclCommInitRankConfig, "2.14", NcclResult,                           \
    (NcclComm*, int, NcclUniqueId, int, NcclConfig*))                                            \
  F(comm_split, ncclCommSplit, "2.18", NcclResult, (NcclComm, int, int, NcclComm*, NcclConfig*)) \
  F(comm_get_async_error, ncclCommGetAsyncError, "2.4", NcclResult, (NcclComm, NcclResult*))     \
  F(comm_finalize, ncclCommFinalize, "2.14", NcclResult, (NcclComm))                             \
  F(comm_destroy, ncclCommDestroy, "2.0", NcclResult, (NcclComm))                                \
  F(comm_abort, ncclCommAbort, "2.4", NcclResult, (NcclComm))                                    \
  F(get_error_string, ncclGetErrorString, "2.0", const char*, (NcclResult))                      \
  F(get_last_error, ncclGetLastError, "2.13", const char*, (NcclComm))                           \
  F(group_start, ncclGroupStart, "2.0", NcclResult, ())                                          \
  F(group_end, ncclGroupEnd, "2.0", NcclResult, ())                                              \
  F(all_reduce, ncclAllReduce, "2.0", NcclResult,                                                \
    (const void*, void*, size_t, NcclDataType, NcclRedOp, NcclComm, void*))                      \
  F(reduce_scatter, ncclReduceScatter, "2.0", NcclResult,                                        \
    (const void*, void*, size_t, NcclDataType, NcclRedOp, NcclComm, void*))                      \
  F(all_gather, ncclAllGather, "2.0", NcclResult,                                                \
    (const void*, void*, size_t, NcclDataType, NcclComm, void*))

struct NcclApi {
#define DDL_MEMBER(member, symbol, since, result, arguments) result(*member) arguments = nullptr;
  DDL_NCCL_FUNCTIONS(DDL_MEMBER)
#undef DDL_MEMBER
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_NCCL_ABI_H_
