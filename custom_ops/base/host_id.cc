#include "base/host_id.h"

#include <unistd.h>

#include <climits>
#include <fstream>

namespace tf_ddl {
namespace {

std::string Namespace(const char* kind) {
  char target[128] = {};
  const std::string path = std::string("/proc/self/ns/") + kind;
  const ssize_t n = readlink(path.c_str(), target, sizeof target - 1);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : "none";
}

}  // namespace

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = "unknown";
  gethostname(name, sizeof name - 1);
  return name;
}

std::string HostId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  if (!std::getline(file, boot) || boot.empty()) {
    return HostName() + "/" + std::to_string(getpid());  // unknown: shared with nobody
  }
  return boot + "/" + Namespace("pid") + "/" + Namespace("net") + "/" + Namespace("user") + "/" +
         std::to_string(getuid());
}

}  // namespace tf_ddl
