// The engine of a world of one: every collective is a copy.
#include <cstring>
#include <mutex>
#include <utility>

#include "base/time.h"
#include "engine/engine.h"
#include "engine/engine_factories.h"
#include "engine/group_table.h"
#include "engine/recorder.h"

namespace tf_ddl {
namespace {

class LocalEngine : public Engine {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string TransportTo(int) const override { return "self"; }
  std::string HostOf(int) const override { return LocalHostname(); }

  Status RegisterGroup(const GroupSpec& spec, uint64_t* group) override {
    uint64_t sequence;
    bool is_new;
    return groups_.Register(spec, 1, group, &sequence, &is_new);
  }

  void Lend(const std::function<void()>& start, const std::function<bool()>&) override { start(); }

  void AllReduce(uint64_t group, int index, const void* in, void* out, int64_t count,
                 Done done) override {
    done(Move(group, CollectiveKind::kAllReduce, index, in, out, count));
  }

  void AllReduceOnDevice(uint64_t group, int index, const void* in, void* out, int64_t count, void*,
                         Done done) override {
    Status status = health();
    std::shared_ptr<const GroupSpec> spec;
    if (status.ok()) {
      status = groups_.Check(group, CollectiveKind::kAllReduce, true, index, count, &spec);
    }
    // Nothing here can copy GPU memory.
    if (status.ok() && in != out) status = Internal("a world of one reduces GPU memory in place");
    if (status.ok()) Note(*spec, index, count, NowNanos());
    done(status);
  }

  void Broadcast(uint64_t group, const void* in, void* out, int64_t count, Done done) override {
    done(Move(group, CollectiveKind::kBroadcast, 0, in, out, count));
  }

  void AllGather(uint64_t group, const void* in, int64_t count, Allocate allocate,
                 Done done) override {
    void* out = nullptr;
    Status status = health();
    if (status.ok()) status = allocate({count}, &out);
    if (status.ok()) status = Move(group, CollectiveKind::kAllGather, 0, in, out, count);
    done(status);
  }

  void Abort(const Status& status) override { Fail(status); }
  Status health() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return health_;
  }
  void Shutdown() override { Fail(FailedPrecondition("tf_ddl has been shut down")); }

  std::string StatsJson() const override {
    return recorder_.StatsJson("\"rank\":0,\"size\":1,\"rails\":[],\"peers\":[],");
  }
  void RecordTimeline(bool enabled) override { recorder_.EnableTimeline(enabled); }
  std::string PlansJson() const override { return "{}"; }
  std::string TimelineJson() const override { return recorder_.TimelineJson(); }

 private:
  Status Move(uint64_t group, CollectiveKind kind, int index, const void* in, void* out,
              int64_t count) {
    DDL_RETURN_IF_ERROR(health());
    std::shared_ptr<const GroupSpec> spec;
    DDL_RETURN_IF_ERROR(groups_.Check(group, kind, false, index, count, &spec));
    const int64_t begin = NowNanos();
    const int64_t bytes = count * static_cast<int64_t>(SizeOf(spec->tensors[index].dtype));
    if (in != out && bytes > 0) std::memcpy(out, in, bytes);
    Note(*spec, index, count, begin);
    return OkStatus();
  }

  void Note(const GroupSpec& spec, int index, int64_t count, int64_t begin) {
    recorder_.TensorArrived();
    recorder_.CollectiveStarted(
        "self", count * static_cast<int64_t>(SizeOf(spec.tensors[index].dtype)), begin);
    recorder_.CollectiveEnded(NowNanos());
  }

  void Fail(const Status& status) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (health_.ok()) health_ = status;
  }

  GroupTable groups_;
  Recorder recorder_;
  mutable std::mutex mutex_;
  Status health_;  // guarded by mutex_
};

}  // namespace

std::shared_ptr<Engine> NewLocalEngine() { return std::make_shared<LocalEngine>(); }

}  // namespace tf_ddl
