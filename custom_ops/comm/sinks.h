// Where arriving messages of a collective go: to their place, or on top of the rank's own elements,
// as they are or widened from a 16-bit wire format.
#ifndef TF_DDL_COMM_SINKS_H_
#define TF_DDL_COMM_SINKS_H_

#include <cstdint>
#include <memory>

#include "base/wire.h"
#include "comm/elements.h"
#include "plan/plan.h"
#include "transport/pair.h"

namespace tf_ddl {

// The sink for a kRecv or kRecvReduce step. `elements` must outlive it. Messages with a lower
// `priority` are moved first.
std::unique_ptr<Sink> NewSink(const Elements* elements, const Step& step, WireFormat format,
                              uint64_t priority);

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_SINKS_H_
