// Which host this process runs on: its name for messages, and an id that is equal for processes
// that can share memory.
#ifndef TF_DDL_BASE_HOST_ID_H_
#define TF_DDL_BASE_HOST_ID_H_

#include <string>

namespace tf_ddl {

std::string HostName();

// Equal for processes that can share memory and reach each other over 127.0.0.1: one boot of one
// kernel, the same namespaces, the same user.
std::string HostId();

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_HOST_ID_H_
