#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/host_id.h"
#include "base/socket.h"
#include "rendezvous/handshake.h"
#include "rendezvous/protocol.h"
#include "rendezvous/store.h"

namespace tf_ddl {
namespace {

constexpr double kConnectSeconds = 3.0;
// A name may become known only when the machine it names has started.
constexpr double kResolveSeconds = 10.0;
// The store knows better than its clients which ranks are missing, so it is let answer first.
constexpr double kGraceSeconds = 5.0;

Deadline Earlier(Deadline deadline, double seconds) {
  return std::min(deadline, DeadlineIn(seconds));
}

Status ReadAnswer(int socket, Deadline deadline, std::string* payload) {
  JoinAnswer head;
  DDL_RETURN_IF_ERROR(ReadAll(socket, &head, sizeof head, deadline, nullptr));
  if (head.bytes > kMaxAnswerBytes || head.code < 0 ||
      head.code > static_cast<int>(Code::kInternal)) {
    return Internal("the answer makes no sense");
  }
  payload->resize(head.bytes);
  DDL_RETURN_IF_ERROR(ReadAll(socket, payload->data(), payload->size(), deadline, nullptr));
  return head.code == 0 ? OkStatus() : Status(static_cast<Code>(head.code), *payload);
}

Status Ask(int socket, const JoinOptions& options, const std::string& blob, Deadline deadline,
           std::string* payload) {
  JoinRequest request;
  const std::string host = HostName();
  request.size = options.size;
  request.pid = static_cast<int32_t>(getpid());
  request.host_bytes = static_cast<uint32_t>(host.size());
  request.blob_bytes = static_cast<uint32_t>(blob.size());
  std::string message(reinterpret_cast<const char*>(&request), sizeof request);
  message += host + blob;
  DDL_RETURN_IF_ERROR(WriteAll(socket, message.data(), message.size(), deadline, nullptr));
  return ReadAnswer(socket, deadline, payload);
}

Status Split(const std::string& payload, int size, std::vector<std::string>* blobs) {
  blobs->clear();
  size_t at = 0;
  uint32_t n = 0;
  while (payload.size() - at >= sizeof n) {
    std::memcpy(&n, payload.data() + at, sizeof n);
    at += sizeof n;
    if (n > payload.size() - at) break;
    blobs->push_back(payload.substr(at, n));
    at += n;
  }
  if (at != payload.size() || blobs->size() != static_cast<size_t>(size)) {
    return Internal("the store's answer does not hold " + std::to_string(size) + " ranks");
  }
  return OkStatus();
}

// One connection to the store and the proof. kUnavailable and kDeadlineExceeded: try again.
Status Reach(const JoinOptions& options, const std::vector<Address>& addresses, Deadline deadline,
             Fd* socket) {
  Status status = Unavailable("no address");
  for (const Address& address : addresses) {
    status = Connect(address, Earlier(deadline, kConnectSeconds), nullptr, socket);
    if (!status.ok()) continue;
    const Introduction who = {Purpose::kStore, options.rank, 0};
    status = ProveAsClient(socket->get(), options.secret, who, Earlier(deadline, kHandshakeSeconds),
                           nullptr);
    if (status.code() != Code::kUnavailable && status.code() != Code::kDeadlineExceeded) {
      return status;
    }
    status = status.Prefixed(address.HostAndPort());
  }
  return status;
}

Status CouldNotReach(const JoinOptions& options, const std::string& store, const Status& last) {
  char waited[32];
  std::snprintf(waited, sizeof waited, "%g s", options.join_timeout);
  const bool own_store = options.rank == 0 && options.host_store;
  return DeadlineExceeded("rank " + std::to_string(options.rank) + " could not reach " + store +
                          " within " + waited + " (" + last.message() + "): " +
                          (own_store ? "this rank runs the store itself, so DDL_RENDEZVOUS must "
                                       "name this machine"
                                     : "is rank 0, or the launcher, running there?"));
}

}  // namespace

Status JoinStore(const JoinOptions& options, const std::string& blob,
                 std::vector<std::string>* blobs, std::string* local_address, Fd* connection) {
  HostPort where;
  DDL_RETURN_IF_ERROR(ParseHostPort(options.rendezvous, &where).Prefixed("DDL_RENDEZVOUS"));
  const std::string store = "the store at " + options.rendezvous;
  const Deadline deadline = DeadlineIn(options.join_timeout);
  const Deadline resolve_deadline = Earlier(deadline, kResolveSeconds);
  Fd socket;
  double pause = 0.02;
  for (;;) {
    std::vector<Address> addresses;
    Status status = Resolve(where.host, where.port, &addresses);
    const bool unknown_name = !status.ok();
    if (!unknown_name) status = Reach(options, addresses, deadline, &socket);
    if (status.ok()) break;
    if (status.code() == Code::kPermissionDenied) {
      return PermissionDenied(store + " and rank " + std::to_string(options.rank) + " on host " +
                              HostName() +
                              " do not have the same secret: DDL_SECRET must be the "
                              "same on every rank");
    }
    const bool retry = unknown_name ? Clock::now() < resolve_deadline
                                    : status.code() == Code::kUnavailable ||
                                          status.code() == Code::kDeadlineExceeded;
    if (!retry) {
      return status.Prefixed("DDL_RENDEZVOUS " + options.rendezvous);
    }
    if (Clock::now() >= deadline) return CouldNotReach(options, store, status);
    WaitFor(-1, 0, Earlier(deadline, pause), nullptr);
    pause = std::min(pause * 1.5, 0.5);
  }
  *local_address = LocalAddress(socket.get()).Host();
  std::string payload;
  const Deadline answer_deadline = DeadlineIn(options.join_timeout + kGraceSeconds);
  const Status status = Ask(socket.get(), options, blob, answer_deadline, &payload);
  if (status.code() == Code::kUnavailable) {
    return Unavailable(store +
                       " went away before all ranks had come: did rank 0, or the "
                       "launcher, fail?");
  }
  DDL_RETURN_IF_ERROR(status);
  if (connection != nullptr) *connection = std::move(socket);
  return Split(payload, options.size, blobs);
}

Status ExchangeInStore(int connection, const JoinOptions& options, const std::string& blob,
                       Deadline deadline, std::vector<std::string>* blobs) {
  MoreRequest request;
  request.blob_bytes = static_cast<uint32_t>(blob.size());
  std::string message(reinterpret_cast<const char*>(&request), sizeof request);
  message += blob;
  std::string payload;
  DDL_RETURN_IF_ERROR(WriteAll(connection, message.data(), message.size(), deadline, nullptr)
                          .Prefixed("the store at " + options.rendezvous));
  DDL_RETURN_IF_ERROR(
      ReadAnswer(connection, deadline, &payload).Prefixed("the store at " + options.rendezvous));
  return Split(payload, options.size, blobs);
}

}  // namespace tf_ddl
