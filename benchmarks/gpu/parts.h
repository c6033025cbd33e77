// The parts of the GPU benchmark. Each prints what it finds.
#ifndef TF_DDL_BENCHMARKS_GPU_PARTS_H_
#define TF_DDL_BENCHMARKS_GPU_PARTS_H_

#include <map>
#include <string>

#include "ranks.h"

namespace tf_ddl::gpu {

// Figures by name, in the order in which they were found.
class Figures {
 public:
  // `judged`: whether targets are held against the figures; not those of small sizes.
  explicit Figures(bool judged) : judged_(judged) {}
  void Add(const std::string& name, double value);
  // A figure with a target; `at_most`, else at least.
  void Target(const std::string& name, double value, const char* unit, double limit, bool at_most);
  void Write(const std::string& path, const std::string& device) const;

 private:
  const bool judged_;
  std::vector<std::pair<std::string, double>> figures_;
};

// Every dtype and plan. Returns how many results were wrong.
int CheckResults(const Settings& settings, int size);
// Against NCCL's own calls, by nccl-tests' definitions.
void MeasureOverhead(const Settings& settings, int size, Figures* figures);
// How much of a compute kernel's speed is left while buckets are reduced.
void MeasureOverlap(const Settings& settings, int size, Figures* figures);
// A process of two is killed; the other aborts. False: not within two seconds.
bool AbortAfterDeath(const Settings& settings, Figures* figures);
// A process of those two.
int PlayPeer(const Settings& settings);

}  // namespace tf_ddl::gpu

#endif  // TF_DDL_BENCHMARKS_GPU_PARTS_H_
