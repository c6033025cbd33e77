// Blocking collectives are called in program order, so ranks whose programs differ can be told what
// differs instead of waiting for each other until a deadline. Beside each call travels a
// fingerprint of what is called; its exchange runs at the same time as the collective itself.
#ifndef TF_DDL_CAPI_ORDER_CHECK_H_
#define TF_DDL_CAPI_ORDER_CHECK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "capi/completion.h"
#include "engine/engine.h"

namespace tf_ddl {

class OrderCheck {
 public:
  // Registers what the check needs. Every rank, before any other group.
  static Status Register(Engine* engine);

  // `call`, for example: "all_reduce sum float32[3]".
  OrderCheck(Engine* engine, std::string call);

  // Starts comparing with the other ranks' calls.
  void Start();
  // Whether they have been compared.
  bool finished() const { return exchanged_.finished(); }

  // kInvalidArgument, with every rank's call, if they differ; the job has been aborted then.
  Status Finish();

 private:
  Engine* const engine_;
  const std::string call_;
  std::vector<int64_t> fingerprints_;  // by rank
  Completion exchanged_{1};
};

}  // namespace tf_ddl

#endif  // TF_DDL_CAPI_ORDER_CHECK_H_
