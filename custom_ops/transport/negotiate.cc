#include "transport/negotiate.h"

#include <sys/prctl.h>

#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/sha256.h"
#include "transport/contact.h"

namespace tf_ddl {
namespace {

// What each end says first: what it is configured for, and a word of its memory to try.
struct Wish {
  uint32_t memory = 0;
  uint32_t cma = 0;
  uint64_t probe_address = 0;
  uint64_t probe_value = 0;
};

// Whether something worked, and if not, why.
struct Outcome {
  uint32_t ok = 0;
  char why_not[124] = {};

  static Outcome Of(const Status& status) {
    Outcome outcome;
    outcome.ok = status.ok();
    std::snprintf(outcome.why_not, sizeof outcome.why_not, "%s", status.message().c_str());
    return outcome;
  }
};

// Shared memory that the lower rank has made.
struct Created {
  Outcome outcome;
  int32_t file = -1;
  uint32_t ring_bytes = 0;
  uint64_t token = 0;
};

class Negotiation {
 public:
  Negotiation(int socket, Deadline deadline, const StopSignal* stop, int peer_pid, bool creator)
      : socket_(socket), deadline_(deadline), stop_(stop), peer_pid_(peer_pid), creator_(creator) {}

  Status AgreeOnWishes(const JobConfig& config);
  Status ProbeCma();
  Status ShareMemory(int ranks_on_host);

  bool memory = false;
  bool cma = false;
  std::shared_ptr<Segment> segment;
  std::string why_not;  // what is not used, and the reason

 private:
  template <typename T>
  Status Exchange(const T& own, T* theirs) {
    DDL_RETURN_IF_ERROR(WriteAll(socket_, &own, sizeof own, deadline_, stop_));
    return ReadAll(socket_, theirs, sizeof *theirs, deadline_, stop_);
  }
  // Both ends say how it went; `ok` is set if it went well for both.
  Status Conclude(const Outcome& own, bool* ok);
  void Note(const std::string& why) { why_not += (why_not.empty() ? "" : "; ") + why; }

  const int socket_;
  const Deadline deadline_;
  const StopSignal* const stop_;
  const int peer_pid_;
  const bool creator_;
  uint64_t random_[2] = {};
  volatile uint64_t probed_ = 0;
  Wish theirs_;
};

Status Negotiation::Conclude(const Outcome& own, bool* ok) {
  Outcome theirs;
  DDL_RETURN_IF_ERROR(Exchange(own, &theirs));
  theirs.why_not[sizeof theirs.why_not - 1] = '\0';
  *ok = own.ok != 0 && theirs.ok != 0;
  if (!*ok) Note(own.ok != 0 ? theirs.why_not : own.why_not);
  return OkStatus();
}

Status Negotiation::AgreeOnWishes(const JobConfig& config) {
  DDL_RETURN_IF_ERROR(RandomBytes(random_, sizeof random_));
  probed_ = random_[0];
  Wish own;
  own.memory = config.use_shared_memory;
  own.cma = config.use_shared_memory && config.use_cma;
  own.probe_address = reinterpret_cast<uint64_t>(&probed_);
  own.probe_value = random_[0];
  // Where Yama restricts tracing, the readers have to be allowed. Without Yama: no effect.
  if (own.cma) prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  DDL_RETURN_IF_ERROR(Exchange(own, &theirs_));
  memory = own.memory != 0 && theirs_.memory != 0;
  cma = own.cma != 0 && theirs_.cma != 0;
  if (!memory) {
    Note("shared memory is switched off");
  } else if (!cma) {
    Note("cross-memory attach is switched off");
  }
  return OkStatus();
}

Status Negotiation::ProbeCma() {
  uint64_t word = 0;
  const int error = tf_ddl::ProbeCma(peer_pid_, theirs_.probe_address, &word);
  Status status;
  if (error != 0) {
    status = Unavailable("cross-memory attach: " + std::generic_category().message(error));
  } else if (word != theirs_.probe_value) {
    status = Unavailable("cross-memory attach: reached another process");
  }
  return Conclude(Outcome::Of(status), &cma);
}

Status Negotiation::ShareMemory(int ranks_on_host) {
  const size_t ring_bytes = cma ? PullRingBytes(ranks_on_host) : kRingBytes;
  Created created;
  Fd file;  // stays open until the other side has opened it too
  Status status;
  if (creator_) {
    status = Segment::CreateShared(ring_bytes, random_[1], &segment, &file);
    created.outcome = Outcome::Of(status);
    created.file = file.get();
    created.ring_bytes = static_cast<uint32_t>(ring_bytes);
    created.token = random_[1];
    DDL_RETURN_IF_ERROR(WriteAll(socket_, &created, sizeof created, deadline_, stop_));
  } else {
    DDL_RETURN_IF_ERROR(ReadAll(socket_, &created, sizeof created, deadline_, stop_));
    if (created.outcome.ok == 0 || created.ring_bytes != ring_bytes) {
      status = Unavailable("the peer made no shared memory");
    } else {
      status = Segment::OpenShared(peer_pid_, created.file, ring_bytes, created.token, &segment);
    }
  }
  return Conclude(Outcome::Of(status), &memory);
}

}  // namespace

Status Negotiate(const JobConfig& config, const PeerInfo& own, const PeerInfo& peer,
                 int ranks_on_host, Fd socket, Deadline deadline, const StopSignal* stop,
                 PairParts* parts) {
  parts->rank = own.rank;
  parts->peer = peer.rank;
  parts->peer_name = NameOf(peer);
  parts->transport = "tcp";
  parts->same_host = own.host_id == peer.host_id;
  std::string why = "another host";
  if (parts->same_host) {
    const bool creator = own.rank < peer.rank;
    Negotiation negotiation(socket.get(), deadline, stop, peer.pid, creator);
    DDL_RETURN_IF_ERROR(negotiation.AgreeOnWishes(config));
    if (negotiation.cma) DDL_RETURN_IF_ERROR(negotiation.ProbeCma());
    if (negotiation.memory) DDL_RETURN_IF_ERROR(negotiation.ShareMemory(ranks_on_host));
    if (negotiation.memory) {
      parts->segment = negotiation.segment;
      parts->side = creator ? 0 : 1;
      parts->transport = "shm";
      if (negotiation.cma) {
        parts->reader = NewCmaReader(peer.pid, parts->segment, parts->side);
        parts->transport = parts->reader->name();
      }
    }
    why = negotiation.why_not;
  } else {
    SetKeepAlive(socket.get(), config.silence_timeout);
  }
  DDL_LOG(kInfo) << "data to and from " << parts->peer_name << " travels by " << parts->transport
                 << (why.empty() ? "" : " (" + why + ")");
  parts->socket = std::move(socket);
  return OkStatus();
}

}  // namespace tf_ddl
