// Log lines on stderr: DDL_LOG(kInfo) << "...". The level comes from DDL_LOG_LEVEL
// (debug, info, warning, error, off; default warning).
#ifndef TF_DDL_BASE_LOG_H_
#define TF_DDL_BASE_LOG_H_

#include <sstream>

namespace tf_ddl {

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3, kOff = 4 };

LogLevel MinLogLevel();

class LogLine {
 public:
  explicit LogLine(LogLevel level) : level_(level) {}
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;
  ~LogLine();  // writes the whole line with one write(2)
  template <typename T>
  LogLine& operator<<(const T& value) {
    text_ << value;
    return *this;
  }

 private:
  LogLevel level_;
  std::ostringstream text_;
};

}  // namespace tf_ddl

#define DDL_LOG(level)                                       \
  if (::tf_ddl::LogLevel::level < ::tf_ddl::MinLogLevel()) { \
  } else                                                     \
    ::tf_ddl::LogLine(::tf_ddl::LogLevel::level)

#endif  // TF_DDL_BASE_LOG_H_
