// How an op kernel waits for the engine without a thread: it hands the engine a callback that
// finishes the op.
#ifndef TF_DDL_KERNELS_COMPLETION_H_
#define TF_DDL_KERNELS_COMPLETION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/status.h"
#include "engine/engine.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace tf_ddl {

// The core's status as TensorFlow's, with `where` in front of the message.
absl::Status ToTensorFlow(const Status& status, const std::string& where);

// The callback for the engine: sets the op's status and runs `done`.
//
// A collective that has started is needed by the other ranks, and the engine may write into the
// op's buffers until it ends; so a cancelled step does not end it at once. It has two seconds to
// end by itself. Then the engine is aborted, on every rank, and the callback runs with that error.
//
// Returns null, with the op's status set and `done` run, if the step has been cancelled already;
// the collective must not be started then.
Engine::Done FinishOp(tensorflow::OpKernelContext* ctx, std::shared_ptr<Engine> engine,
                      std::string where, std::function<void()> done);

}  // namespace tf_ddl

#endif  // TF_DDL_KERNELS_COMPLETION_H_
