#include "kernels/completion.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/time.h"
#include "tensorflow/core/framework/cancellation.h"
#include "tensorflow/core/platform/env.h"

namespace tf_ddl {
namespace {

constexpr double kGraceSeconds = 2.0;

// A started collective. Shared by the engine's callback and the cancellation callback.
struct Waiting {
  std::shared_ptr<Engine> engine;
  std::string where;
  std::atomic<bool> finished{false};
};

// Aborts the engines of cancelled collectives that do not end within the grace period. One timer
// thread exists while any is being watched.
class GracePeriod {
 public:
  static GracePeriod& Global() {
    static GracePeriod* grace = new GracePeriod;  // never destroyed: the timer may outlive main
    return *grace;
  }

  void Watch(std::shared_ptr<Waiting> waiting) {
    std::lock_guard<std::mutex> lock(mutex_);
    watched_.push_back({std::move(waiting), DeadlineIn(kGraceSeconds)});
    if (watched_.size() == 1) Schedule(kGraceSeconds);
  }

 private:
  struct Entry {
    std::shared_ptr<Waiting> waiting;
    Deadline deadline;
  };

  void Schedule(double seconds) {
    tensorflow::Env::Default()->SchedClosureAfter(static_cast<int64_t>(seconds * 1e6) + 1000,
                                                  [this] { Check(); });
  }

  void Check() {
    std::vector<std::shared_ptr<Waiting>> late;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto now = Clock::now();
      auto over = std::partition(watched_.begin(), watched_.end(), [now](const Entry& entry) {
        return !entry.waiting->finished && entry.deadline > now;
      });
      for (auto it = over; it != watched_.end(); ++it) {
        if (!it->waiting->finished) late.push_back(std::move(it->waiting));
      }
      watched_.erase(over, watched_.end());
      if (!watched_.empty()) {
        auto next = std::min_element(
            watched_.begin(), watched_.end(),
            [](const Entry& a, const Entry& b) { return a.deadline < b.deadline; });
        Schedule(MillisLeft(next->deadline) / 1e3);
      }
    }
    for (const auto& waiting : late) {
      waiting->engine->Abort(Unavailable(absl::StrCat(
          "rank ", waiting->engine->rank(), ": the step was cancelled because another operation ",
          "failed (its error is in that rank's output), while the ", waiting->where,
          " waited for other ranks")));
    }
  }

  std::mutex mutex_;
  std::vector<Entry> watched_;  // guarded by mutex_
};

absl::StatusCode ToTensorFlow(Code code) {
  switch (code) {
    case Code::kOk:
      return absl::StatusCode::kOk;
    case Code::kInvalidArgument:
      return absl::StatusCode::kInvalidArgument;
    case Code::kUnavailable:
      return absl::StatusCode::kUnavailable;
    case Code::kDeadlineExceeded:
      return absl::StatusCode::kDeadlineExceeded;
    case Code::kFailedPrecondition:
      return absl::StatusCode::kFailedPrecondition;
    case Code::kPermissionDenied:
      return absl::StatusCode::kPermissionDenied;
    case Code::kAlreadyExists:
      return absl::StatusCode::kAlreadyExists;
    case Code::kCancelled:
      // TensorFlow drops Cancelled as the consequence of some other error; here it is the cause.
      return absl::StatusCode::kUnavailable;
    case Code::kInternal:
      return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status ToTensorFlow(const Status& status, const std::string& where) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(ToTensorFlow(status.code()), absl::StrCat(where, ": ", status.message()));
}

Engine::Done FinishOp(tensorflow::OpKernelContext* ctx, std::shared_ptr<Engine> engine,
                      std::string where, std::function<void()> done) {
  auto waiting = std::make_shared<Waiting>();
  waiting->engine = std::move(engine);
  waiting->where = std::move(where);

  tensorflow::CancellationManager* manager = ctx->cancellation_manager();
  auto token = tensorflow::CancellationManager::kInvalidToken;
  if (manager != nullptr) {
    token = manager->get_cancellation_token();
    const bool registered =
        manager->RegisterCallback(token, [waiting] { GracePeriod::Global().Watch(waiting); });
    if (!registered) {
      ctx->SetStatus(absl::CancelledError(
          absl::StrCat(waiting->where, ": the step was cancelled before it started")));
      done();
      return nullptr;
    }
  }
  return [ctx, waiting, manager, token, done = std::move(done)](const Status& status) {
    waiting->finished = true;
    if (manager != nullptr) manager->TryDeregisterCallback(token);
    if (!status.ok()) ctx->SetStatus(ToTensorFlow(status, waiting->where));
    done();
  };
}

}  // namespace tf_ddl
