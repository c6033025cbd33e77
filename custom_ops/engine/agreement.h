// Rank 0's comparison of what the ranks are about to reduce together. Every rank registers its
// groups in program order; the n-th group of each rank must have the n-th specification.
#ifndef TF_DDL_ENGINE_AGREEMENT_H_
#define TF_DDL_ENGINE_AGREEMENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/group_spec.h"

namespace tf_ddl {

class Agreement {
 public:
  explicit Agreement(int size) : size_(size) {}

  // Rank `rank` registered `spec` as its group number `sequence`. Sets `complete` when every rank
  // has. kInvalidArgument, naming the first tensor that differs, when two ranks disagree.
  Status Add(int rank, uint64_t sequence, const GroupSpec& spec, bool* complete);

  // Ranks that have not registered group `sequence`: "rank 1, rank 3".
  std::string Missing(uint64_t sequence) const;

 private:
  const int size_;
  std::map<uint64_t, std::map<int, GroupSpec>> open_;  // sequence -> rank -> specification
};

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_AGREEMENT_H_
