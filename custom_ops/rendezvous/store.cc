#include "rendezvous/store.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/socket.h"
#include "rendezvous/listener.h"
#include "rendezvous/protocol.h"

namespace tf_ddl {
namespace {

constexpr double kAnswerSeconds = 10.0;

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", seconds);
  return text;
}

// Waits for `settled`. kCancelled: `stop` came first; kUnavailable: something came from the socket,
// which can only be its end, since a rank has nothing to say while it waits; kDeadlineExceeded.
Status Await(const StopSignal& settled, int socket, Deadline deadline, const StopSignal* stop) {
  for (;;) {
    pollfd fds[3] = {{settled.fd(), POLLIN, 0}, {socket, POLLIN, 0}, {stop->fd(), POLLIN, 0}};
    if (poll(fds, 3, MillisLeft(deadline)) < 0 && errno != EINTR) return ErrnoStatus("poll", errno);
    if (fds[0].revents != 0) return OkStatus();
    if (fds[2].revents != 0) return Cancelled("the store stops");
    if (fds[1].revents != 0) return Unavailable("the rank has gone");
    if (Clock::now() >= deadline) return DeadlineExceeded("no outcome in time");
  }
}

// Joining ranks wait, each on its connection's thread, for the outcome: all have come, or the
// deadline has passed.
class StoreServer : public Store {
 public:
  StoreServer(const StoreOptions& options, Fd socket, int port)
      : options_(options),
        port_(port),
        members_(options.size),
        second_(options.size),
        listener_(std::move(socket), options.secret, Purpose::kStore, 0,
                  [this](Fd fd, const Introduction& who) { Serve(fd.get(), who.from); }) {}

  int port() const override { return port_; }

 private:
  struct Member {
    bool present = false;
    std::string host;
    int pid = 0;
    std::string blob;
  };

  // What the ranks exchange once more, after they have joined.
  struct Second {
    explicit Second(int size) : present(size), blobs(size), missing(size) {}
    std::vector<bool> present;
    std::vector<std::string> blobs;
    int missing;
    bool decided = false;
    Status outcome;
    std::string answer;
    StopSignal settled;
  };

  void Serve(int socket, int rank);
  void ServeSecond(int socket, int rank);
  void Answer(int socket, const Status& status, const std::string& answer);
  Status Register(int rank, int size, Member member, Deadline* deadline);
  void Leave(int rank);
  // Waits until the outcome is there. False: the rank has gone, or the store stops.
  bool AwaitOutcome(int socket, Deadline deadline);
  void GiveUp();
  std::string WhoIs(int rank) const;

  const StoreOptions options_;
  const int port_;
  std::mutex mutex_;  // guards what follows, up to settled_
  std::vector<Member> members_;
  int present_ = 0;
  Deadline deadline_;
  bool decided_ = false;
  Status outcome_;      // once decided_, for every rank that waits
  std::string answer_;  // all blobs, once decided_ and the outcome is ok
  StopSignal settled_;  // set when decided_ is
  Second second_;       // guarded by mutex_
  Listener listener_;   // last: its threads use all of the above
};

// All blobs, a 32-bit length before each.
std::string Joined(const std::vector<const std::string*>& blobs) {
  std::string joined;
  for (const std::string* blob : blobs) {
    const auto n = static_cast<uint32_t>(blob->size());
    joined.append(reinterpret_cast<const char*>(&n), sizeof n);
    joined += *blob;
  }
  return joined;
}

std::string StoreServer::WhoIs(int rank) const {
  return "rank " + std::to_string(rank) + " (host " + members_[rank].host + ", pid " +
         std::to_string(members_[rank].pid) + ")";
}

Status StoreServer::Register(int rank, int size, Member member, Deadline* deadline) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (size != options_.size) {
    return InvalidArgument("rank " + std::to_string(rank) + " on host " + member.host +
                           " was started for a job of " + std::to_string(size) +
                           " ranks, but this job has " + std::to_string(options_.size) +
                           ": DDL_SIZE must be the same everywhere");
  }
  if (rank < 0 || rank >= options_.size) {
    return InvalidArgument("rank " + std::to_string(rank) + " on host " + member.host +
                           " is not one of this job's ranks, 0 to " +
                           std::to_string(options_.size - 1));
  }
  if (decided_ && !outcome_.ok()) return outcome_;
  const Member& there = members_[rank];
  if (there.present) {
    return AlreadyExists("rank " + std::to_string(rank) + " already joined from host " +
                         there.host + " pid " + std::to_string(there.pid) +
                         ": every process needs a DDL_RANK of its own");
  }
  if (present_ == 0) deadline_ = DeadlineIn(options_.join_timeout);
  *deadline = deadline_;
  member.present = true;
  members_[rank] = std::move(member);
  if (++present_ < options_.size) return OkStatus();
  std::vector<const std::string*> blobs;
  for (const Member& each : members_) blobs.push_back(&each.blob);
  answer_ = Joined(blobs);
  decided_ = true;
  settled_.Set();
  return OkStatus();
}

void StoreServer::Leave(int rank) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (decided_) return;
  members_[rank] = Member();
  --present_;
}

void StoreServer::GiveUp() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (decided_) return;
  std::string missing;
  std::string here;
  int num_missing = 0;
  for (int rank = 0; rank < options_.size; ++rank) {
    if (members_[rank].present) {
      here += (here.empty() ? "" : ", ") + WhoIs(rank);
    } else {
      missing += (num_missing++ > 0 ? ", " : "") + std::to_string(rank);
    }
  }
  std::string text = (num_missing == 1 ? "rank " : "ranks ") + missing + " of " +
                     std::to_string(options_.size) + " did not come within " +
                     Seconds(options_.join_timeout) + "; here: " + here;
  const std::string refused = listener_.DescribeRefused();
  if (!refused.empty()) text += ". " + refused;
  outcome_ = DeadlineExceeded(std::move(text));
  decided_ = true;
  settled_.Set();
}

bool StoreServer::AwaitOutcome(int socket, Deadline deadline) {
  for (;;) {
    const Status status = Await(settled_, socket, deadline, listener_.stop());
    if (status.code() != Code::kDeadlineExceeded) return status.ok();
    GiveUp();
  }
}

void StoreServer::Serve(int socket, int rank) {
  const StopSignal* const stop = listener_.stop();
  const Deadline deadline = DeadlineIn(kHandshakeSeconds);
  JoinRequest request;
  Member member;
  if (!ReadAll(socket, &request, sizeof request, deadline, stop).ok()) return;
  if (request.host_bytes > kMaxHostBytes || request.blob_bytes > kMaxBlobBytes) return;
  member.pid = request.pid;
  member.host.resize(request.host_bytes);
  member.blob.resize(request.blob_bytes);
  if (!ReadAll(socket, member.host.data(), member.host.size(), deadline, stop).ok()) return;
  if (!ReadAll(socket, member.blob.data(), member.blob.size(), deadline, stop).ok()) return;

  Deadline join_deadline;
  Status status = Register(rank, request.size, std::move(member), &join_deadline);
  const std::string* answer = &answer_;  // does not change once decided
  if (status.ok()) {
    if (!AwaitOutcome(socket, join_deadline)) {
      Leave(rank);
      return;
    }
    std::lock_guard<std::mutex> lock(mutex_);
    status = outcome_;
  }
  Answer(socket, status, *answer);
  if (status.ok()) ServeSecond(socket, rank);
}

void StoreServer::Answer(int socket, const Status& status, const std::string& answer) {
  const std::string& text = status.ok() ? answer : status.message();
  JoinAnswer head;
  head.code = static_cast<int32_t>(status.code());
  head.bytes = static_cast<uint32_t>(text.size());
  const Deadline deadline = DeadlineIn(kAnswerSeconds);
  if (WriteAll(socket, &head, sizeof head, deadline, nullptr).ok()) {
    WriteAll(socket, text.data(), text.size(), deadline, listener_.stop());
  }
}

// The client has the deadline: when it gives up, its connection ends.
void StoreServer::ServeSecond(int socket, int rank) {
  const StopSignal* const stop = listener_.stop();
  MoreRequest request;
  std::string blob;
  const Status came = [&] {
    DDL_RETURN_IF_ERROR(WaitFor(socket, POLLIN, Deadline::max(), stop));
    const Deadline deadline = DeadlineIn(kHandshakeSeconds);
    DDL_RETURN_IF_ERROR(ReadAll(socket, &request, sizeof request, deadline, stop));
    if (request.blob_bytes > kMaxBlobBytes) return Internal("a blob that is too large");
    blob.resize(request.blob_bytes);
    return ReadAll(socket, blob.data(), blob.size(), deadline, stop);
  }();
  const auto decide = [this](Status outcome) {  // with mutex_ held
    if (second_.decided) return;
    second_.outcome = std::move(outcome);
    second_.decided = true;
    second_.settled.Set();
  };
  const auto left = [&] { return Unavailable(WhoIs(rank) + " left while the ranks connected"); };
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!came.ok()) return decide(left());
    if (second_.present[rank]) return;
    second_.present[rank] = true;
    second_.blobs[rank] = std::move(blob);
    if (--second_.missing == 0) {
      std::vector<const std::string*> blobs;
      for (const std::string& each : second_.blobs) blobs.push_back(&each);
      second_.answer = Joined(blobs);
      decide(OkStatus());
    }
  }
  if (!Await(second_.settled, socket, Deadline::max(), stop).ok()) {
    std::lock_guard<std::mutex> lock(mutex_);
    return decide(left());
  }
  Status outcome;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    outcome = second_.outcome;
  }
  Answer(socket, outcome, second_.answer);  // does not change once decided
}

}  // namespace

Status Store::Create(const StoreOptions& options, std::unique_ptr<Store>* store) {
  if (options.size < 1) {
    return InvalidArgument("a job has at least one rank, not " + std::to_string(options.size));
  }
  if (options.secret.empty()) {
    return InvalidArgument("the job's secret is empty: set DDL_SECRET, the same on every rank");
  }
  Fd socket;
  int port = 0;
  const Status status = Listen(options.host, options.port, &socket, &port);
  const std::string host = options.host.empty() ? "this machine" : options.host;
  if (status.code() == Code::kAlreadyExists) {
    return AlreadyExists("port " + std::to_string(options.port) + " on " + host +
                         " is in use: choose another DDL_RENDEZVOUS");
  }
  if (!status.ok()) return status.Prefixed("the store of rank 0 cannot listen");
  *store = std::make_unique<StoreServer>(options, std::move(socket), port);
  return OkStatus();
}

}  // namespace tf_ddl
