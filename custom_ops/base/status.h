// Errors are values. Every function of the core that can fail returns a Status; none throws.
#ifndef TF_DDL_BASE_STATUS_H_
#define TF_DDL_BASE_STATUS_H_

#include <string>
#include <utility>

namespace tf_ddl {

// The numbers are part of the C interface (capi/ddl.h) and mirrored in tf_ddl/errors.py.
enum class Code : int {
  kOk = 0,
  kInvalidArgument = 1,     // the caller's input is wrong, or ranks disagree about it
  kUnavailable = 2,         // a peer died, left, or aborted the job
  kDeadlineExceeded = 3,    // something that waits ran out of time
  kFailedPrecondition = 4,  // called in the wrong state (not initialised, already shut down)
  kPermissionDenied = 5,    // the other side does not know the job's secret
  kAlreadyExists = 6,       // a port in use, a rank that came twice
  kCancelled = 7,           // cut short because something else failed
  kInternal = 8,            // a bug in tf_ddl, or the operating system refused something
};

class Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error with `where` in front of its message: "rank 1 (host-a): ...".
  Status Prefixed(const std::string& where) const {
    return ok() ? *this : Status(code_, where + ": " + message_);
  }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status OkStatus() { return Status(); }
inline Status InvalidArgument(std::string m) { return {Code::kInvalidArgument, std::move(m)}; }
inline Status Unavailable(std::string m) { return {Code::kUnavailable, std::move(m)}; }
inline Status DeadlineExceeded(std::string m) { return {Code::kDeadlineExceeded, std::move(m)}; }
inline Status FailedPrecondition(std::string m) {
  return {Code::kFailedPrecondition, std::move(m)};
}
inline Status PermissionDenied(std::string m) { return {Code::kPermissionDenied, std::move(m)}; }
inline Status AlreadyExists(std::string m) { return {Code::kAlreadyExists, std::move(m)}; }
inline Status Cancelled(std::string m) { return {Code::kCancelled, std::move(m)}; }
inline Status Internal(std::string m) { return {Code::kInternal, std::move(m)}; }

// An Internal status that ends in errno's text: "bind 0.0.0.0:80: Permission denied".
Status ErrnoStatus(const std::string& what, int error);

}  // namespace tf_ddl

#define DDL_RETURN_IF_ERROR(expr)              \
  do {                                         \
    ::tf_ddl::Status ddl_status_ = (expr);     \
    if (!ddl_status_.ok()) return ddl_status_; \
  } while (0)

#endif  // TF_DDL_BASE_STATUS_H_
