// ConnectMesh: from "who am I" to a pair with every other rank.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "rendezvous/listener.h"
#include "rendezvous/store.h"
#include "transport/host_info.h"
#include "transport/mesh.h"
#include "transport/negotiate.h"

namespace tf_ddl {
namespace {

constexpr double kCandidateSeconds = 2.0;   // to connect to one of a peer's addresses
constexpr double kAgreementSeconds = 10.0;  // to prove the secret and to negotiate
// Once all have come, connecting may take this long even if coming took all of join_timeout.
constexpr double kMinConnectSeconds = 15.0;

bool IsLoopback(const std::string& address) {
  return address.compare(0, 4, "127.") == 0 || address == "::1" || address == "localhost";
}

// The pairs of this rank as they come into being: connections to lower ranks are made by Dial,
// those of higher ranks arrive on the listener's threads.
class Assembly {
 public:
  explicit Assembly(const JobConfig& config) : config_(config), entries_(config.size) {}

  // The listener hands every proved connection to this.
  void Accept(Fd socket, int from, const StopSignal* stop);
  // All ranks have come.
  void SetContacts(std::vector<Contact> contacts);
  Status Dial(int peer, Deadline deadline);
  // Waits for the connections of the higher ranks.
  Status Await(Deadline deadline);
  // Ends the waiting of connections that came early.
  void Cancel();
  std::map<int, PairParts> Take();

 private:
  enum class State { kMissing, kAgreeing, kThere };
  struct Entry {
    State state = State::kMissing;
    PairParts parts;
  };

  Status Agree(Fd socket, int peer, const StopSignal* stop, PairParts* parts);

  const JobConfig config_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Contact> contacts_;  // empty until SetContacts, then constant
  bool cancelled_ = false;
  std::vector<Entry> entries_;
};

void Assembly::SetContacts(std::vector<Contact> contacts) {
  std::lock_guard<std::mutex> lock(mutex_);
  contacts_ = std::move(contacts);
  changed_.notify_all();
}

void Assembly::Cancel() {
  std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

Status Assembly::Agree(Fd socket, int peer, const StopSignal* stop, PairParts* parts) {
  return Negotiate(config_, contacts_[config_.rank].info, contacts_[peer].info, std::move(socket),
                   DeadlineIn(kAgreementSeconds), stop, parts);
}

void Assembly::Accept(Fd socket, int from, const StopSignal* stop) {
  if (from <= config_.rank || from >= config_.size) return;
  {
    // The other may have heard from the store that all have come before this rank has.
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(kAgreementSeconds),
                      [this] { return cancelled_ || !contacts_.empty(); });
    if (cancelled_ || contacts_.empty()) return;
    Entry& entry = entries_[from];
    if (entry.state != State::kMissing) {
      DDL_LOG(kWarning) << "refused a second connection from " << NameOf(contacts_[from].info);
      return;
    }
    entry.state = State::kAgreeing;
  }
  PairParts parts;
  const Status status = Agree(std::move(socket), from, stop, &parts);
  std::lock_guard<std::mutex> lock(mutex_);
  Entry& entry = entries_[from];
  entry.state = status.ok() ? State::kThere : State::kMissing;
  if (status.ok()) entry.parts = std::move(parts);
  changed_.notify_all();
}

Status Assembly::Dial(int peer, Deadline deadline) {
  const Contact& contact = contacts_[peer];
  const bool same_host = contact.info.host_id == contacts_[config_.rank].info.host_id;
  std::vector<std::string> candidates;
  if (same_host) candidates.push_back("127.0.0.1");
  for (const std::string& address : contact.addresses) {
    if (IsLoopback(address)) continue;  // of the other host, if it is another
    if (std::find(candidates.begin(), candidates.end(), address) == candidates.end()) {
      candidates.push_back(address);
    }
  }
  Status last = Unavailable("it has no address that this host could reach");
  double pause = 0.02;
  do {
    for (const std::string& candidate : candidates) {
      std::vector<Address> addresses;
      Fd socket;
      last = Resolve(candidate, contact.port, &addresses);
      if (last.ok()) {
        last = Connect(addresses[0], std::min(deadline, DeadlineIn(kCandidateSeconds)), nullptr,
                       &socket);
      }
      if (!last.ok()) continue;
      const Introduction who = {Purpose::kData, config_.rank, peer};
      last = ProveAsClient(socket.get(), config_.secret, who,
                           std::min(deadline, DeadlineIn(kHandshakeSeconds)), nullptr);
      PairParts parts;
      if (last.ok()) last = Agree(std::move(socket), peer, nullptr, &parts);
      if (last.ok()) {
        std::lock_guard<std::mutex> lock(mutex_);
        entries_[peer].state = State::kThere;
        entries_[peer].parts = std::move(parts);
        return OkStatus();
      }
      last = last.Prefixed(addresses[0].HostAndPort());
    }
    WaitFor(-1, 0, std::min(deadline, DeadlineIn(pause)), nullptr);
    pause = std::min(pause * 1.5, 0.5);
  } while (Clock::now() < deadline);
  return DeadlineExceeded("rank " + std::to_string(config_.rank) + " could not connect to " +
                          NameOf(contact.info) + ": " + last.message() +
                          "; did that rank fail, or is a firewall between the hosts?");
}

Status Assembly::Await(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto missing = [this] {
    std::string names;
    for (int rank = 0; rank < config_.size; ++rank) {
      if (rank == config_.rank || entries_[rank].state == State::kThere) continue;
      names += (names.empty() ? "" : ", ") + NameOf(contacts_[rank].info);
    }
    return names;
  };
  changed_.wait_until(lock, deadline, [&] { return missing().empty(); });
  const std::string names = missing();
  if (names.empty()) return OkStatus();
  return DeadlineExceeded(names + " came to the store but did not connect to rank " +
                          std::to_string(config_.rank) +
                          " in time: did that rank fail, or is a firewall between the hosts?");
}

std::map<int, PairParts> Assembly::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::map<int, PairParts> parts;
  for (int rank = 0; rank < config_.size; ++rank) {
    if (rank != config_.rank) parts.emplace(rank, std::move(entries_[rank].parts));
  }
  return parts;
}

Status Check(const JobConfig& config) {
  if (config.size < 1) {
    return InvalidArgument("DDL_SIZE: a job has at least one rank, not " +
                           std::to_string(config.size));
  }
  if (config.rank < 0 || config.rank >= config.size) {
    return InvalidArgument("DDL_RANK: rank " + std::to_string(config.rank) +
                           " is not one of the ranks 0 to " + std::to_string(config.size - 1));
  }
  if (config.size > 1 && config.secret.empty()) {
    return InvalidArgument("DDL_SECRET is empty: set it to the same random text on every rank");
  }
  return OkStatus();
}

Status StartStore(const JobConfig& config, std::unique_ptr<JobAnchor>* anchor) {
  HostPort where;
  DDL_RETURN_IF_ERROR(ParseHostPort(config.rendezvous, &where).Prefixed("DDL_RENDEZVOUS"));
  StoreOptions options;
  // A name may mean another of this machine's addresses to other hosts: serve on all of them.
  if (IsLoopback(where.host)) options.host = where.host;
  options.port = where.port;
  options.size = config.size;
  options.secret = config.secret;
  options.join_timeout = config.join_timeout;
  std::unique_ptr<Store> store;
  DDL_RETURN_IF_ERROR(Store::Create(options, &store));
  *anchor = std::move(store);
  return OkStatus();
}

// This machine's addresses as others may reach them, the one that leads to the store first.
std::vector<std::string> OwnAddresses(const JobConfig& config) {
  std::vector<std::string> addresses = InterfaceAddresses();
  HostPort where;
  std::vector<Address> store;
  if (ParseHostPort(config.rendezvous, &where).ok() &&
      Resolve(where.host, where.port, &store).ok()) {
    const std::string first = LocalAddressTowards(store[0]);
    const auto at = std::find(addresses.begin(), addresses.end(), first);
    if (at != addresses.end()) std::rotate(addresses.begin(), at, at + 1);
  }
  return addresses;
}

// Ends what runs on the listener's threads before the assembly goes.
struct Closing {
  Assembly* assembly;
  Listener* listener;
  ~Closing() {
    assembly->Cancel();
    listener->Stop();
  }
};

}  // namespace

Status ConnectMesh(const JobConfig& config, Mesh* mesh) {
  DDL_RETURN_IF_ERROR(Check(config));
  *mesh = Mesh();
  Contact own;
  own.info = {config.rank, HostName(), HostId(), static_cast<int>(getpid())};
  if (config.size == 1) {
    mesh->pairs.resize(1);
    mesh->peers.push_back(own.info);
    return OkStatus();
  }
  const Deadline join_deadline = DeadlineIn(config.join_timeout);
  std::unique_ptr<JobAnchor> anchor;
  if (config.rank == 0 && config.host_store) DDL_RETURN_IF_ERROR(StartStore(config, &anchor));

  Fd socket;
  DDL_RETURN_IF_ERROR(Listen("", 0, &socket, &own.port));
  own.addresses = OwnAddresses(config);
  Assembly assembly(config);
  Listener listener(std::move(socket), config.secret, Purpose::kData, config.rank,
                    [&assembly, &listener](Fd fd, const Introduction& who) {
                      assembly.Accept(std::move(fd), who.from, listener.stop());
                    });
  const Closing closing{&assembly, &listener};

  std::vector<std::string> blobs;
  std::string local_address;
  DDL_RETURN_IF_ERROR(JoinStore(config, Encode(own), &blobs, &local_address));
  std::vector<Contact> contacts(config.size);
  for (int rank = 0; rank < config.size; ++rank) {
    DDL_RETURN_IF_ERROR(Decode(blobs[rank], rank, &contacts[rank]));
  }
  assembly.SetContacts(contacts);
  const Deadline deadline =
      std::max(join_deadline, DeadlineIn(std::min(config.join_timeout, kMinConnectSeconds)));
  for (int peer = 0; peer < config.rank; ++peer) {
    DDL_RETURN_IF_ERROR(assembly.Dial(peer, deadline));
  }
  DDL_RETURN_IF_ERROR(assembly.Await(deadline));

  mesh->pairs.resize(config.size);
  for (auto& [rank, parts] : assembly.Take()) {
    mesh->pairs[rank] = NewStreamPair(std::move(parts));
  }
  for (Contact& contact : contacts) mesh->peers.push_back(std::move(contact.info));
  mesh->anchor = std::move(anchor);
  return OkStatus();
}

}  // namespace tf_ddl
