// The groups that were registered, by id: shared by all threads that submit tensors.
#ifndef TF_DDL_ENGINE_GROUP_TABLE_H_
#define TF_DDL_ENGINE_GROUP_TABLE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "engine/group_spec.h"

namespace tf_ddl {

class GroupTable {
 public:
  // Enters the specification. `sequence` tells the how-many'th it is; `is_new` is false if the key
  // was there already, with the same content. kInvalidArgument if the content differs, or if two
  // keys have the same id.
  Status Register(const GroupSpec& spec, int size, uint64_t* id, uint64_t* sequence, bool* is_new);

  // Checks that tensor `index` of group `id` takes `count` elements by way of `kind`, in GPU memory
  // if `device`, and returns the specification.
  Status Check(uint64_t id, CollectiveKind kind, bool device, int index, int64_t count,
               std::shared_ptr<const GroupSpec>* spec) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<const GroupSpec>> specs_;  // guarded by mutex_
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_GROUP_TABLE_H_
