#include "engine/agreement.h"

namespace tf_ddl {

Status Agreement::Add(int rank, uint64_t sequence, const GroupSpec& spec, bool* complete) {
  auto& specs = open_[sequence];
  specs[rank] = spec;
  *complete = false;
  const auto& first = *specs.begin();
  for (const auto& other : specs) {
    const std::string difference = Difference(first.second, first.first, other.second, other.first);
    if (!difference.empty()) {
      return InvalidArgument("the ranks' programs differ at collective number " +
                             std::to_string(sequence) + ": " + difference +
                             ". Every rank must build the same model and run the same steps");
    }
  }
  if (static_cast<int>(specs.size()) == size_) {
    *complete = true;
    open_.erase(sequence);
  }
  return OkStatus();
}

std::string Agreement::Missing(uint64_t sequence) const {
  auto it = open_.find(sequence);
  std::string text;
  for (int rank = 0; rank < size_; ++rank) {
    if (it != open_.end() && it->second.count(rank) > 0) continue;
    text += (text.empty() ? "rank " : ", rank ") + std::to_string(rank);
  }
  return text;
}

}  // namespace tf_ddl
