#include "base/log.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace tf_ddl {
namespace {

constexpr const char* kNames[] = {"debug", "info", "warning", "error", "off"};

LogLevel LevelFromEnvironment() {
  const char* text = std::getenv("DDL_LOG_LEVEL");
  if (text != nullptr) {
    for (int i = 0; i <= static_cast<int>(LogLevel::kOff); ++i) {
      if (std::strcmp(text, kNames[i]) == 0) return static_cast<LogLevel>(i);
    }
  }
  return LogLevel::kWarning;
}

}  // namespace

LogLevel MinLogLevel() {
  static const LogLevel level = LevelFromEnvironment();
  return level;
}

LogLine::~LogLine() {
  const char* rank = std::getenv("DDL_RANK");
  std::string line = std::string("tf_ddl ") + kNames[static_cast<int>(level_)];
  if (rank != nullptr) line += std::string(" [rank ") + rank + "]";
  line += ": " + text_.str() + "\n";
  ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  (void)written;  // there is nowhere left to report it
}

}  // namespace tf_ddl
