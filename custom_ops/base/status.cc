#include "base/status.h"

#include <system_error>

namespace tf_ddl {

Status ErrnoStatus(const std::string& what, int error) {
  return Internal(what + ": " + std::generic_category().message(error));
}

}  // namespace tf_ddl
