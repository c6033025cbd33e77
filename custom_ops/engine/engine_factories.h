// Internal to engine/.
#ifndef TF_DDL_ENGINE_ENGINE_FACTORIES_H_
#define TF_DDL_ENGINE_ENGINE_FACTORIES_H_

#include <memory>
#include <string>

#include "engine/engine.h"

namespace tf_ddl {

std::shared_ptr<Engine> NewLocalEngine();
std::string LocalHostname();

}  // namespace tf_ddl

#endif  // TF_DDL_ENGINE_ENGINE_FACTORIES_H_
