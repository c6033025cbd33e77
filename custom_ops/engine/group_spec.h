// Specifications of groups: what ranks compare before they reduce anything together.
#ifndef TF_DDL_ENGINE_GROUP_SPEC_H_
#define TF_DDL_ENGINE_GROUP_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"

namespace tf_ddl {

enum class CollectiveKind : int { kAllReduce = 0, kBroadcast = 1, kAllGather = 2 };

const char* NameOf(CollectiveKind kind);  // "all-reduce", ...

struct TensorSpec {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape;  // -1: known only when it arrives

  int64_t count() const;  // elements; -1 when a dimension is unknown
};

struct GroupSpec {
  std::string key;  // the same on every rank, different for every call site
  CollectiveKind kind = CollectiveKind::kAllReduce;
  ReduceOp op = ReduceOp::kSum;
  int root = 0;
  bool device = false;              // tensors are in GPU memory; all-reduce only
  std::vector<TensorSpec> tensors;  // one for broadcast and all-gather

  // The id that travels in message tags; equal on every rank because the key is.
  uint64_t id() const;
};

// kInvalidArgument when the specification makes no sense by itself.
Status Validate(const GroupSpec& spec, int size);

// "GPU memory"
const char* MemoryOf(const GroupSpec& spec);

// "'dense/kernel' float32 [784,128]"
std::string ToString(const TensorSpec& tensor);

// For the wire. Parse refuses malformed input.
std::string Serialize(const GroupSpec& spec);
Status Parse(const std::string& text, GroupSpec* spec);

// What differs between two ranks' specifications of the same call site, in words that name the
// first tensor that differs; empty if nothing does. Names may differ: they are labels only.
std::string Difference(const GroupSpec& a, int rank_a, const GroupSpec& b, int rank_b);

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_GROUP_SPEC_H_
