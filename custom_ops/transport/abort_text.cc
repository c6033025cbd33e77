#include "transport/abort_text.h"

#include <charconv>
#include <cstddef>
#include <system_error>

namespace tf_ddl {

std::string AbortText(const Status& status) {
  return std::to_string(static_cast<int>(status.code())) + "\n" + status.message();
}

Status ParseAbort(const std::string& text) {
  int code = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), code);
  const size_t end = static_cast<size_t>(parsed.ptr - text.data());
  if (parsed.ec != std::errc() || code < 1 || code > static_cast<int>(Code::kInternal) ||
      end >= text.size() || text[end] != '\n') {
    return Internal("a peer aborted the job without saying why");
  }
  return Status(static_cast<Code>(code), text.substr(end + 1));
}

}  // namespace tf_ddl
