#include "device_harness.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/time.h"

namespace tf_ddl {
namespace {

struct GateEvent : DeviceEvent {
  explicit GateEvent(TestStream* stream) : stream(stream) {}
  bool passed() const { return stream == nullptr || stream->open; }
  TestStream* const stream;
};

int64_t CountOf(const DeviceCollective& collective) {
  int64_t count = 0;
  for (const TensorSegment& segment : collective.segments) count += segment.count;
  return count;
}

bool IsReady(const DeviceCollective& collective) {
  return std::all_of(collective.ready.begin(), collective.ready.end(), [](const auto& event) {
    return static_cast<const GateEvent*>(event.get())->passed();
  });
}

std::string Signature(const DeviceCollective& collective) {
  return std::string(NameOf(collective.dtype)) + " x " + std::to_string(CountOf(collective)) + " " +
         NameOf(collective.op) + " by " + ToString(collective.plan) + " wire " +
         std::to_string(static_cast<int>(collective.wire));
}

}  // namespace

// One rank's part: its collectives in order, and the thread that runs callbacks.
class DeviceWorld::Rank : public DeviceCommunicator {
 public:
  Rank(DeviceWorld* world, int rank) : world_(world), rank_(rank) {
    thread_ = std::thread([this] { RunCallbacks(); });
  }
  ~Rank() override {
    Abort(Cancelled("the device communicator ends"));
    {
      std::lock_guard<std::mutex> lock(world_->mutex_);
      world_->ranks_[rank_] = nullptr;
    }
    {
      std::lock_guard<std::mutex> lock(callbacks_mutex_);
      stop_ = true;
      callbacks_changed_.notify_all();
    }
    thread_.join();
  }

  int rank() const override { return rank_; }
  int size() const override { return world_->size_; }
  std::string Describe() const override { return "test device " + std::to_string(rank_); }
  std::vector<DevicePlan> Plans(int64_t) const override {
    std::lock_guard<std::mutex> lock(world_->mutex_);
    return world_->plans_;
  }
  Status RecordReady(void* stream, std::shared_ptr<DeviceEvent>* event) override {
    *event = std::make_shared<GateEvent>(static_cast<TestStream*>(stream));
    return OkStatus();
  }

  void Start(std::unique_ptr<DeviceCollective> collective) override {
    std::unique_lock<std::mutex> lock(world_->mutex_);
    const bool fails = world_->fail_rank_ == rank_ && world_->fail_at_ == started_++;
    if (fails && aborted_.ok()) {
      aborted_ = Internal("injected failure of the test device");
      Call([on_failure = on_failure_, status = aborted_] { on_failure(status); });
    }
    if (!aborted_.ok()) {
      lock.unlock();
      return Call([c = std::shared_ptr<DeviceCollective>(std::move(collective)), s = aborted_] {
        c->done(s);
      });
    }
    pending_.push_back(std::move(collective));
    world_->changed_.notify_all();
  }

  void Abort(const Status& status) override {
    std::lock_guard<std::mutex> lock(world_->mutex_);
    if (world_->aborted_at_[rank_] == 0) world_->aborted_at_[rank_] = NowNanos();
    if (aborted_.ok()) aborted_ = status;
    for (auto& collective : std::exchange(pending_, {})) {
      Call([c = std::shared_ptr<DeviceCollective>(std::move(collective)), s = status] {
        c->done(s);
      });
    }
  }

  void set_on_failure(std::function<void(const Status&)> on_failure) override {
    on_failure_ = std::move(on_failure);
  }
  std::string DescribeLast() const override {
    std::lock_guard<std::mutex> lock(world_->mutex_);
    return pending_.empty() ? "nothing under way" : "under way: " + pending_.front()->name;
  }

 private:
  friend class DeviceWorld;

  void Call(std::function<void()> callback) {
    std::lock_guard<std::mutex> lock(callbacks_mutex_);
    callbacks_.push_back(std::move(callback));
    callbacks_changed_.notify_all();
  }
  void RunCallbacks() {
    std::unique_lock<std::mutex> lock(callbacks_mutex_);
    while (true) {
      callbacks_changed_.wait(lock, [this] { return stop_ || !callbacks_.empty(); });
      if (callbacks_.empty()) return;
      auto callback = std::move(callbacks_.front());
      callbacks_.pop_front();
      lock.unlock();
      callback();
      callback = nullptr;
      lock.lock();
    }
  }

  DeviceWorld* const world_;
  const int rank_;
  std::function<void(const Status&)> on_failure_;
  // Guarded by world_->mutex_.
  std::deque<std::unique_ptr<DeviceCollective>> pending_;
  int started_ = 0;
  Status aborted_;

  std::mutex callbacks_mutex_;
  std::condition_variable callbacks_changed_;
  std::deque<std::function<void()>> callbacks_;  // guarded by callbacks_mutex_
  bool stop_ = false;                            // likewise
  std::thread thread_;
};

DeviceWorld::DeviceWorld(int size) : size_(size), ranks_(size), aborted_at_(size, 0) {
  thread_ = std::thread([this] { Run(); });
}

DeviceWorld::~DeviceWorld() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

std::unique_ptr<DeviceCommunicator> DeviceWorld::ForRank(int rank) {
  auto made = std::make_unique<Rank>(this, rank);
  std::lock_guard<std::mutex> lock(mutex_);
  ranks_[rank] = made.get();
  return made;
}

std::string DeviceWorld::mismatch() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return mismatch_;
}

int64_t DeviceWorld::executed() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return executed_;
}

std::vector<std::string> DeviceWorld::executed_plans() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return executed_plans_;
}

double DeviceWorld::AbortedSince(int rank) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (aborted_at_[rank] == 0) return -1;
  return static_cast<double>(NowNanos() - aborted_at_[rank]) * 1e-9;
}

void DeviceWorld::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    std::string difference;
    if (ReadyToRun(&difference)) {
      const DeviceCollective& first = *ranks_[0]->pending_.front();
      const int64_t bytes = CountOf(first) * static_cast<int64_t>(SizeOf(first.dtype));
      const double seconds = cost_ ? cost_(first.plan, bytes) : 0;
      if (seconds > 0) {
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
        lock.lock();
        if (!ReadyToRun(&difference)) continue;  // aborted meanwhile
      }
      Execute();
      continue;
    }
    if (!difference.empty() && mismatch_.empty()) mismatch_ = difference;
    changed_.wait_for(lock, std::chrono::milliseconds(1));  // gates open without a sign
  }
}

bool DeviceWorld::ReadyToRun(std::string* difference) const {
  if (executed_ == stick_at_) return false;
  for (const Rank* rank : ranks_) {
    if (rank == nullptr || rank->pending_.empty() || !IsReady(*rank->pending_.front())) {
      return false;
    }
  }
  const std::string first = Signature(*ranks_[0]->pending_.front());
  for (int rank = 1; rank < size_; ++rank) {
    const std::string other = Signature(*ranks_[rank]->pending_.front());
    if (other == first) continue;
    *difference = "collective " + std::to_string(executed_) + ": " + first + " on rank 0, " +
                  other + " on rank " + std::to_string(rank);
    return false;
  }
  return true;
}

// Of float32; called with mutex_, so that nobody aborts meanwhile.
void DeviceWorld::Execute() {
  const DeviceCollective& first = *ranks_[0]->pending_.front();
  std::vector<float> sum(CountOf(first), 0.0f);
  for (Rank* rank : ranks_) {
    size_t at = 0;
    for (const TensorSegment& segment : rank->pending_.front()->segments) {
      const float* in = static_cast<const float*>(segment.in);
      for (int64_t i = 0; i < segment.count; ++i) sum[at++] += in[i];
    }
  }
  if (first.op == ReduceOp::kMean) {
    for (float& value : sum) value /= static_cast<float>(size_);
  }
  executed_plans_.push_back(ToString(first.plan));
  for (Rank* rank : ranks_) {
    size_t at = 0;
    std::shared_ptr<DeviceCollective> collective = std::move(rank->pending_.front());
    rank->pending_.pop_front();
    for (const TensorSegment& segment : collective->segments) {
      std::memcpy(segment.out, sum.data() + at, segment.count * sizeof(float));
      at += segment.count;
    }
    rank->Call([collective] { collective->done(OkStatus()); });
  }
  ++executed_;
}

}  // namespace tf_ddl
