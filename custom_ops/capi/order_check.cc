#include "capi/order_check.h"

#include <algorithm>
#include <utility>

namespace tf_ddl {
namespace {

GroupSpec FingerprintGroup(int size) {
  GroupSpec spec;
  spec.key = "order check: fingerprints";
  spec.tensors = {{"fingerprints", DType::kInt64, {size}}};
  return spec;
}

GroupSpec TextGroup() {
  GroupSpec spec;
  spec.key = "order check: texts";
  spec.kind = CollectiveKind::kAllGather;
  spec.tensors = {{"texts", DType::kBytes, {-1}}};
  return spec;
}

int64_t Fingerprint(const std::string& call) {
  GroupSpec hashed;
  hashed.key = call;
  return static_cast<int64_t>(hashed.id());
}

}  // namespace

Status OrderCheck::Register(Engine* engine) {
  uint64_t ignored;
  DDL_RETURN_IF_ERROR(engine->RegisterGroup(FingerprintGroup(engine->size()), &ignored));
  return engine->RegisterGroup(TextGroup(), &ignored);
}

OrderCheck::OrderCheck(Engine* engine, std::string call)
    : engine_(engine), call_(std::move(call)), fingerprints_(engine->size(), 0) {}

void OrderCheck::Start() {
  if (engine_->size() == 1) {
    exchanged_.Callback()(OkStatus());
    return;
  }
  fingerprints_[engine_->rank()] = Fingerprint(call_);
  static const uint64_t group = FingerprintGroup(0).id();  // by key: the same for every size
  engine_->AllReduce(group, 0, fingerprints_.data(), fingerprints_.data(), engine_->size(),
                     exchanged_.Callback());
}

Status OrderCheck::Finish() {
  DDL_RETURN_IF_ERROR(exchanged_.Wait());
  if (engine_->size() == 1 ||
      std::all_of(fingerprints_.begin(), fingerprints_.end(),
                  [this](int64_t value) { return value == fingerprints_[0]; })) {
    return OkStatus();
  }
  // Every rank sees the difference, so every rank comes here and tells what it has called.
  std::string texts;
  std::vector<int64_t> lengths;
  Completion gathered(1);
  engine_->AllGather(
      TextGroup().id(), call_.data(), static_cast<int64_t>(call_.size()),
      [&](const std::vector<int64_t>& counts, void** out) {
        int64_t total = 0;
        for (int64_t count : counts) total += count;
        lengths = counts;
        texts.resize(static_cast<size_t>(total));
        *out = &texts[0];
        return OkStatus();
      },
      gathered.Callback());
  DDL_RETURN_IF_ERROR(gathered.Wait());
  std::string message = "the ranks call different collectives:";
  size_t at = 0;
  for (size_t rank = 0; rank < lengths.size(); ++rank) {
    message += " rank " + std::to_string(rank) + " " +
               texts.substr(at, static_cast<size_t>(lengths[rank])) +
               (rank + 1 < lengths.size() ? "," : "");
    at += static_cast<size_t>(lengths[rank]);
  }
  const Status status =
      InvalidArgument(message + ". Every rank must make the same calls in the same order");
  engine_->Abort(status);
  return status;
}

}  // namespace tf_ddl
