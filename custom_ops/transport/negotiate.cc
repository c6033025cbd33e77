#include "transport/negotiate.h"

#include <sys/prctl.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/sha256.h"
#include "transport/host_info.h"

namespace tf_ddl {
namespace {

// What each end says first. The lower rank creates the shared memory.
struct Offered {
  uint32_t wants_memory = 0;
  uint32_t wants_cma = 0;
  int32_t file = -1;  // the creator's descriptor; -1: it has none
  uint32_t reserved = 0;
  uint64_t ring_bytes = 0;
  uint64_t token = 0;
  uint64_t probe_address = 0;  // a word of this process...
  uint64_t probe_value = 0;    // ...that holds this
};

// What each end could do with it.
struct Outcome {
  uint32_t memory = 0;
  uint32_t cma = 0;
  char why_not[120] = {};
};

void Explain(Outcome* outcome, const std::string& why) {
  std::snprintf(outcome->why_not, sizeof outcome->why_not, "%s", why.c_str());
}

template <typename T>
Status Exchange(int socket, const T& own, T* theirs, Deadline deadline, const StopSignal* stop) {
  DDL_RETURN_IF_ERROR(WriteAll(socket, &own, sizeof own, deadline, stop));
  return ReadAll(socket, theirs, sizeof *theirs, deadline, stop);
}

// Reads the peer's word through cross-memory attach.
void TryCma(const PeerInfo& peer, const Offered& theirs, Outcome* outcome) {
  uint64_t word = 0;
  const int error = ProbeCma(peer.pid, theirs.probe_address, &word);
  if (error == 0 && word == theirs.probe_value) {
    outcome->cma = 1;
  } else {
    Explain(outcome, "no cross-memory attach: " +
                         (error != 0 ? std::generic_category().message(error)
                                     : std::string("another process has this number")));
  }
}

}  // namespace

Status Negotiate(const JobConfig& config, const PeerInfo& own, const PeerInfo& peer, Fd socket,
                 Deadline deadline, const StopSignal* stop, PairParts* parts) {
  parts->rank = own.rank;
  parts->peer = peer.rank;
  parts->peer_name = NameOf(peer);
  parts->transport = "tcp";
  parts->same_host = own.host_id == peer.host_id;
  std::string why = "another host";
  if (parts->same_host) {
    const bool creator = own.rank < peer.rank;
    Offered offered;
    Offered theirs;
    Outcome outcome;
    Outcome their_outcome;
    std::shared_ptr<Segment> segment;
    Fd file;
    uint64_t random[2];
    DDL_RETURN_IF_ERROR(RandomBytes(random, sizeof random));
    volatile uint64_t probed = random[1];
    offered.wants_memory = config.use_shared_memory;
    offered.wants_cma = config.use_shared_memory && config.use_cma;
    offered.ring_bytes = kRingBytes;
    offered.token = random[0];
    offered.probe_address = reinterpret_cast<uint64_t>(&probed);
    offered.probe_value = random[1];
    if (offered.wants_cma) {
      // Where Yama restricts tracing, the readers have to be allowed. Without Yama: no effect.
      prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    }
    if (creator && offered.wants_memory) {
      const Status status = Segment::CreateShared(kRingBytes, offered.token, &segment, &file);
      if (status.ok()) offered.file = file.get();
      Explain(&outcome, status.message());
    }
    DDL_RETURN_IF_ERROR(Exchange(socket.get(), offered, &theirs, deadline, stop));
    if (!offered.wants_memory || !theirs.wants_memory) {
      Explain(&outcome, "shared memory is switched off");
    } else if (creator) {
      outcome.memory = segment != nullptr;
    } else if (theirs.file >= 0 && theirs.ring_bytes == kRingBytes) {
      const Status status =
          Segment::OpenShared(peer.pid, theirs.file, kRingBytes, theirs.token, &segment);
      outcome.memory = status.ok();
      Explain(&outcome, status.message());
    }
    if (outcome.memory != 0 && offered.wants_cma && theirs.wants_cma) {
      TryCma(peer, theirs, &outcome);
    } else if (outcome.memory != 0) {
      Explain(&outcome, "cross-memory attach is switched off");
    }
    DDL_RETURN_IF_ERROR(Exchange(socket.get(), outcome, &their_outcome, deadline, stop));
    their_outcome.why_not[sizeof their_outcome.why_not - 1] = '\0';
    why = outcome.why_not[0] != '\0' ? outcome.why_not : their_outcome.why_not;
    if (outcome.memory != 0 && their_outcome.memory != 0) {
      parts->segment = std::move(segment);
      parts->side = creator ? 0 : 1;
      parts->transport = "shm";
      if (outcome.cma != 0 && their_outcome.cma != 0) {
        parts->reader = NewCmaReader(peer.pid, parts->segment, parts->side);
        parts->transport = parts->reader->name();
      }
    }
  }
  if (!parts->same_host) SetKeepAlive(socket.get());
  DDL_LOG(kInfo) << "data to and from " << parts->peer_name << " travels by " << parts->transport
                 << (parts->transport == "cma" || why.empty() ? "" : " (" + why + ")");
  parts->socket = std::move(socket);
  return OkStatus();
}

}  // namespace tf_ddl
