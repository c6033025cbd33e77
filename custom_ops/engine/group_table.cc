#include "engine/group_table.h"

namespace tf_ddl {

Status GroupTable::Register(const GroupSpec& spec, int size, uint64_t* id, uint64_t* sequence,
                            bool* is_new) {
  DDL_RETURN_IF_ERROR(Validate(spec, size));
  *id = spec.id();
  std::lock_guard<std::mutex> lock(mutex_);
  *sequence = specs_.size();
  auto inserted = specs_.emplace(*id, std::make_shared<const GroupSpec>(spec));
  *is_new = inserted.second;
  if (*is_new) return OkStatus();
  const GroupSpec& known = *inserted.first->second;
  if (known.key != spec.key) {
    return InvalidArgument("the keys '" + known.key + "' and '" + spec.key +
                           "' have the same hash; rename one of them");
  }
  const std::string difference = Difference(known, 0, spec, 0);
  if (!difference.empty()) {
    return InvalidArgument("'" + spec.key +
                           "' was registered before with another content: " + difference);
  }
  return OkStatus();
}

Status GroupTable::Check(uint64_t id, CollectiveKind kind, bool device, int index, int64_t count,
                         std::shared_ptr<const GroupSpec>* spec) const {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = specs_.find(id);
    if (it == specs_.end()) {
      return FailedPrecondition("group " + std::to_string(id) +
                                " is not registered with this engine: the graph was traced for "
                                "another strategy or process");
    }
    *spec = it->second;
  }
  const GroupSpec& found = **spec;
  if (found.kind != kind) {
    return InvalidArgument("'" + found.key + "' is registered for " + NameOf(found.kind) +
                           " and called for " + NameOf(kind));
  }
  if (found.device != device) {
    return InvalidArgument("'" + found.key + "' is registered for tensors in " + MemoryOf(found) +
                           " and called with one in " + (device ? "GPU" : "host") + " memory");
  }
  if (index < 0 || index >= static_cast<int>(found.tensors.size())) {
    return InvalidArgument("'" + found.key + "' has no tensor " + std::to_string(index));
  }
  const int64_t expected = found.tensors[index].count();
  if (kind != CollectiveKind::kAllGather && expected >= 0 && expected != count) {
    return InvalidArgument("tensor " + ToString(found.tensors[index]) + " of '" + found.key +
                           "' arrived with " + std::to_string(count) + " elements");
  }
  return OkStatus();
}

}  // namespace tf_ddl
