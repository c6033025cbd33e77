// Registration of groups, through the C interface.
#include <utility>

#include "capi/ddl.h"
#include "capi/internal.h"
#include "engine/engine.h"

namespace {

using tf_ddl::GroupSpec;

int Register(int64_t engine, GroupSpec spec, const char* key, int reduce_op,
             const ddl_tensor_spec* tensors, int32_t num_tensors, uint64_t* group, char* error,
             size_t error_size) {
  auto found = tf_ddl::FindEngine(engine);
  if (found == nullptr) return tf_ddl::Report(tf_ddl::NoSuchEngine(), error, error_size);
  spec.key = tf_ddl::TextOf(key);
  spec.op = static_cast<tf_ddl::ReduceOp>(reduce_op);
  for (int32_t i = 0; i < num_tensors; ++i) {
    tf_ddl::TensorSpec tensor;
    tensor.name = tf_ddl::TextOf(tensors[i].name);
    tensor.dtype = static_cast<tf_ddl::DType>(tensors[i].dtype);
    tensor.shape.assign(tensors[i].shape, tensors[i].shape + tensors[i].dims);
    spec.tensors.push_back(std::move(tensor));
  }
  return tf_ddl::Report(found->RegisterGroup(spec, group), error, error_size);
}

}  // namespace

int ddl_register_group(int64_t engine, const char* key, int kind, int reduce_op, int root,
                       const ddl_tensor_spec* tensors, int32_t num_tensors, uint64_t* group,
                       char* error, size_t error_size) {
  GroupSpec spec;
  spec.kind = static_cast<tf_ddl::CollectiveKind>(kind);
  spec.root = root;
  return Register(engine, std::move(spec), key, reduce_op, tensors, num_tensors, group, error,
                  error_size);
}

int ddl_register_device_group(int64_t engine, const char* key, int reduce_op,
                              const ddl_tensor_spec* tensors, int32_t num_tensors, uint64_t* group,
                              char* error, size_t error_size) {
  GroupSpec spec;
  spec.device = true;
  return Register(engine, std::move(spec), key, reduce_op, tensors, num_tensors, group, error,
                  error_size);
}
