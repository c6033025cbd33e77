// Engines by handle. The one global of the core: an op's graph outlives Python objects, so it names
// its engine by number.
#include <map>
#include <mutex>

#include "engine/engine.h"

namespace tf_ddl {
namespace {

struct Registry {
  std::mutex mutex;
  int64_t next = 1;
  std::map<int64_t, std::shared_ptr<Engine>> engines;
};

Registry& Global() {
  static Registry* registry = new Registry;  // never destroyed: kernels may run at exit
  return *registry;
}

}  // namespace

int64_t PublishEngine(std::shared_ptr<Engine> engine) {
  Registry& registry = Global();
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.engines[registry.next] = std::move(engine);
  return registry.next++;
}

std::shared_ptr<Engine> FindEngine(int64_t handle) {
  Registry& registry = Global();
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto it = registry.engines.find(handle);
  return it == registry.engines.end() ? nullptr : it->second;
}

void WithdrawEngine(int64_t handle) {
  Registry& registry = Global();
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.engines.erase(handle);
}

}  // namespace tf_ddl
