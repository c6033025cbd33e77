// The text of the control message by which a rank ends the job: the status code, a new line, the
// message. Both ends write and read it here.
#ifndef TF_DDL_TRANSPORT_ABORT_TEXT_H_
#define TF_DDL_TRANSPORT_ABORT_TEXT_H_

#include <string>

#include "base/status.h"

namespace tf_ddl {

// `status` is not OK.
std::string AbortText(const Status& status);

// Never OK: an internal error if the text is not one of `AbortText`.
Status ParseAbort(const std::string& text);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_ABORT_TEXT_H_
