// What the files of the C interface share.
#ifndef TF_DDL_CAPI_INTERNAL_H_
#define TF_DDL_CAPI_INTERNAL_H_

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/status.h"

namespace tf_ddl {

// The code for the caller, and the message at `error`.
inline int Report(const Status& status, char* error, size_t error_size) {
  if (!status.ok() && error != nullptr && error_size > 0) {
    std::snprintf(error, error_size, "%s", status.message().c_str());
  }
  return static_cast<int>(status.code());
}

inline Status NoSuchEngine() {
  return FailedPrecondition("tf_ddl is not initialised, or has been shut down");
}

// For ddl_free.
inline char* Copied(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy != nullptr) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

inline std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

}  // namespace tf_ddl

#endif  // TF_DDL_CAPI_INTERNAL_H_
