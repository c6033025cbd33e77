#include "engine/progress_engine.h"

#include <unistd.h>

#include <sstream>
#include <utility>

#include "base/log.h"
#include "base/time.h"
#include "engine/engine_factories.h"

namespace tf_ddl {

namespace {

// How long collectives of GPUs may take to end once they are aborted: two seconds, and reserve.
constexpr int kStopSeconds = 10;

}  // namespace

std::string LocalHostname() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

std::shared_ptr<Engine> Engine::Create(std::unique_ptr<Communicator> communicator,
                                       const EngineOptions& options,
                                       std::unique_ptr<DeviceCommunicator> device) {
  if (communicator == nullptr || communicator->size() == 1) return NewLocalEngine();
  return std::make_shared<ProgressEngine>(std::move(communicator), options, std::move(device));
}

ProgressEngine::ProgressEngine(std::unique_ptr<Communicator> communicator,
                               const EngineOptions& options,
                               std::unique_ptr<DeviceCommunicator> device)
    : communicator_(std::move(communicator)),
      device_(std::move(device)),
      options_(options),
      rank_(communicator_->rank()),
      size_(communicator_->size()),
      book_(rank_, communicator_->topology()),
      adviser_(communicator_.get(), options, &book_),
      rail_rates_(communicator_.get()),
      agreement_(size_),
      left_(size_, false),
      device_plans_(device_.get(), options),
      left_at_(size_),
      next_check_(Clock::now()) {
  communicator_->set_events(this);
  if (options_.autotune && !options_.deterministic) communicator_->UseSockets(1);
  if (device_ != nullptr) {
    device_->set_on_failure([this](const Status& status) { Abort(status); });
  }
  ChooseFirstPlans();  // before anything else is sent, so that it is there before it is needed
  thread_ = std::thread([this] { Run(); });
}

ProgressEngine::~ProgressEngine() {
  Shutdown();
  device_.reset();  // its threads call this
}

// ---- any thread -------------------------------------------------------------------------------

Status ProgressEngine::RegisterGroup(const GroupSpec& spec, uint64_t* group) {
  std::lock_guard<std::mutex> order(register_mutex_);
  uint64_t sequence;
  bool is_new;
  if (spec.device && device_ == nullptr) {
    return FailedPrecondition("'" + spec.key +
                              "' is in GPU memory, which this job reduces by way " +
                              "of the host: nobody has given it a communicator for GPUs");
  }
  DDL_RETURN_IF_ERROR(table_.Register(spec, size_, group, &sequence, &is_new));
  if (!is_new) return OkStatus();
  Submission submission;
  submission.new_group =
      std::make_unique<Group>(spec, sequence, options_, communicator_->topology().OnOneHost());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!health_.ok()) return OkStatus();  // the calls of the group will say why
    inbox_.push_back(std::move(submission));
  }
  WakeUnlessLent();
  return OkStatus();
}

void ProgressEngine::Submit(CollectiveKind kind, uint64_t group, int index, TensorArrival arrival) {
  std::shared_ptr<const GroupSpec> spec;
  Status status = table_.Check(group, kind, arrival.ready != nullptr, index, arrival.count, &spec);
  if (status.ok()) {
    std::lock_guard<std::mutex> lock(mutex_);
    status = health_;
    if (status.ok()) {
      Submission submission;
      submission.group = group;
      submission.index = index;
      submission.arrival = std::move(arrival);
      inbox_.push_back(std::move(submission));
    }
  } else {
    // The other ranks will call this collective in vain.
    Abort(status);
  }
  if (status.ok()) {
    WakeUnlessLent();
  } else {
    arrival.done(status);
  }
}

void ProgressEngine::AllReduce(uint64_t group, int index, const void* in, void* out, int64_t count,
                               Done done) {
  Submit(CollectiveKind::kAllReduce, group, index,
         {in, out, count, std::move(done), nullptr, nullptr});
}

void ProgressEngine::Broadcast(uint64_t group, const void* in, void* out, int64_t count,
                               Done done) {
  Submit(CollectiveKind::kBroadcast, group, 0, {in, out, count, std::move(done), nullptr, nullptr});
}

void ProgressEngine::AllGather(uint64_t group, const void* in, int64_t count, Allocate allocate,
                               Done done) {
  Submit(CollectiveKind::kAllGather, group, 0,
         {in, nullptr, count, std::move(done), std::move(allocate), nullptr});
}

void ProgressEngine::Abort(const Status& status) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (abort_request_.ok()) {
      abort_request_ = status.Prefixed(RankText(rank_) + " (" + communicator_->HostOf(rank_) + ")");
    }
  }
  communicator_->Wake();
}

Status ProgressEngine::health() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return health_;
}

void ProgressEngine::Shutdown() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  communicator_->Wake();
  std::lock_guard<std::mutex> lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
  // Callers' callbacks may hold the last reference to this, and must not end it on their thread.
  std::unique_lock<std::mutex> running(mutex_);
  if (!device_stopped_.wait_for(running, std::chrono::seconds(kStopSeconds),
                                [this] { return device_running_ == 0; })) {
    DDL_LOG(kError) << device_running_ << " collectives of " << device_->Describe()
                    << " have not ended " << kStopSeconds << " s after they were aborted";
  }
}

std::string ProgressEngine::StatsJson() const {
  std::ostringstream identity;
  identity << "\"rank\":" << rank_ << ",\"size\":" << size_ << ",\"rails\":[";
  const char* separator = "";
  for (const std::string& rail : communicator_->topology().rails) {
    identity << std::exchange(separator, ",") << JsonQuoted(rail);
  }
  identity << "]";
  if (device_ != nullptr) identity << ",\"device\":" << JsonQuoted(device_->Describe());
  identity << ",\"peers\":[";
  for (int rank = 0; rank < size_; ++rank) {
    identity << (rank > 0 ? "," : "") << "{\"rank\":" << rank
             << ",\"host\":" << JsonQuoted(communicator_->HostOf(rank))
             << ",\"transport\":" << JsonQuoted(communicator_->TransportTo(rank))
             << ",\"sockets\":[";
    separator = "";
    for (const LinkStats& link : communicator_->LinksTo(rank)) {
      identity << std::exchange(separator, ",") << "{\"rail\":" << link.rail
               << ",\"interface\":" << JsonQuoted(link.interface)
               << ",\"address\":" << JsonQuoted(link.address)
               << ",\"peer_address\":" << JsonQuoted(link.peer_address)
               << ",\"bytes_written\":" << link.bytes_written << "}";
    }
    identity << "]}";
  }
  identity << "],";
  return recorder_.StatsJson(identity.str());
}

}  // namespace tf_ddl
