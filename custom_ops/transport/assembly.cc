#include "transport/assembly.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "transport/negotiate.h"
#include "transport/rails.h"

namespace tf_ddl {
namespace {

constexpr double kCandidateSeconds = 2.0;   // to connect to one of a peer's addresses
constexpr double kAgreementSeconds = 10.0;  // to prove the secret and to negotiate
// To connect on a network that may be none: time for one lost packet, no more, because where a
// firewall swallows everything the job's start takes that much longer.
constexpr double kRailSeconds = 2.5;

}  // namespace

void Assembly::SetContacts(std::vector<Contact> contacts, std::vector<std::string> networks) {
  std::lock_guard<std::mutex> lock(mutex_);
  contacts_ = std::move(contacts);
  networks_ = std::move(networks);
  changed_.notify_all();
}

void Assembly::Cancel() {
  std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

Status Assembly::Agree(Fd socket, int peer, const StopSignal* stop, PairParts* parts) {
  const PeerInfo& own = contacts_[config_.rank].info;
  const auto on_host = std::count_if(contacts_.begin(), contacts_.end(), [&](const Contact& one) {
    return one.info.host_id == own.host_id;
  });
  return Negotiate(config_, own, contacts_[peer].info, static_cast<int>(on_host), std::move(socket),
                   DeadlineIn(kAgreementSeconds), stop, parts);
}

// The other may have heard from the store that all have come before this rank has.
bool Assembly::AwaitContacts(std::unique_lock<std::mutex>* lock) {
  changed_.wait_for(*lock, std::chrono::duration<double>(kAgreementSeconds),
                    [this] { return cancelled_ || !contacts_.empty(); });
  return !cancelled_ && !contacts_.empty();
}

void Assembly::Accept(Fd socket, const Introduction& who, const StopSignal* stop) {
  const int from = who.from;
  if (from <= config_.rank || from >= config_.size) return;
  if (who.rail >= 0) return AcceptData(std::move(socket), who);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!AwaitContacts(&lock)) return;
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

void Assembly::AcceptData(Fd socket, const Introduction& who) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!AwaitContacts(&lock)) return;
  if (who.rail >= static_cast<int>(networks_.size()) || who.number < 0 ||
      who.number >= config_.sockets_per_rail) {
    return;
  }
  const std::pair<int, int> place = {who.rail, who.number};
  if (!entries_[who.from].data.emplace(place, std::move(socket)).second) {
    DDL_LOG(kWarning) << "refused a second data connection from "
                      << NameOf(contacts_[who.from].info);
  }
  changed_.notify_all();
}

Status Assembly::DialPrimaries(Deadline deadline) {
  for (int peer = 0; peer < config_.rank; ++peer) {
    DDL_RETURN_IF_ERROR(DialPrimary(peer, deadline));
  }
  return OkStatus();
}

Status Assembly::DialPrimary(int peer, Deadline deadline) {
  const Contact& contact = contacts_[peer];
  const Contact& own = contacts_[config_.rank];
  const bool same_host = contact.info.host_id == own.info.host_id;
  std::vector<std::string> candidates;
  if (same_host) candidates.push_back("127.0.0.1");
  for (const std::string& address : contact.addresses) {
    if (IsLoopback(address)) continue;  // of the other host, if it is another
    if (std::find(candidates.begin(), candidates.end(), address) == candidates.end()) {
      candidates.push_back(address);
    }
  }
  // An address that this host has as well most likely leads back to it.
  std::stable_partition(candidates.begin(), candidates.end(), [&](const std::string& address) {
    return std::find(own.addresses.begin(), own.addresses.end(), address) == own.addresses.end();
  });
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

template <typename There>
std::string Assembly::Missing(There there) const {
  std::string names;
  for (int rank = config_.rank + 1; rank < config_.size; ++rank) {
    if (!there(rank)) names += (names.empty() ? "" : ", ") + NameOf(contacts_[rank].info);
  }
  return names;
}

Status Assembly::DidNotConnect(const std::string& names) const {
  if (names.empty()) return OkStatus();
  return DeadlineExceeded(names + " came to the store but did not connect to rank " +
                          std::to_string(config_.rank) +
                          " in time: did that rank fail, or is a firewall between the hosts?");
}

Status Assembly::AwaitPrimaries(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto there = [this](int rank) { return entries_[rank].state == State::kThere; };
  changed_.wait_until(lock, deadline, [&] { return Missing(there).empty(); });
  return DidNotConnect(Missing(there));
}

bool Assembly::NeedsData(int peer) const {
  return peer != config_.rank && entries_[peer].parts.segment == nullptr;
}

Status Assembly::Destination(int peer, int network, DialTarget* call) {
  const PeerInfo& own = contacts_[config_.rank].info;
  const PeerInfo& other = contacts_[peer].info;
  const std::string& name = networks_[network];
  call->who = {Purpose::kData, config_.rank, peer, network, 0};
  std::string address;
  if (name.empty() || own.host_id == other.host_id) {  // where the primary connection leads
    address = RemoteAddress(entries_[peer].parts.socket.get()).Host();
  } else {
    const HostInterface& here = *OnNetwork(own, name);
    call->from = {here.address, here.name};
    address = OnNetwork(other, name)->address;
  }
  std::vector<Address> addresses;
  DDL_RETURN_IF_ERROR(Resolve(address, contacts_[peer].port, &addresses));
  call->to = addresses[0];
  return OkStatus();
}

std::vector<std::string> Assembly::DialRails(Deadline deadline) {
  std::vector<std::string> problems(networks_.size());
  const auto note = [&](const DialTarget& call) {
    if (call.status.ok() || !problems[call.who.rail].empty()) return;
    problems[call.who.rail] = NameOf(contacts_[config_.rank].info) + " could not connect to " +
                              NameOf(contacts_[call.who.to].info) + ": " + call.status.message();
  };
  std::vector<DialTarget> calls;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (int peer = 0; peer < config_.rank; ++peer) {
      if (!NeedsData(peer)) continue;
      for (size_t network = 0; network < networks_.size(); ++network) {
        for (int number = 0; number < config_.sockets_per_rail; ++number) {
          DialTarget call;
          call.status = Destination(peer, static_cast<int>(network), &call);
          call.who.number = number;
          note(call);
          if (call.status.ok()) calls.push_back(std::move(call));
        }
      }
    }
  }
  Dial(config_.secret, std::min(deadline, DeadlineIn(kRailSeconds)), &calls);
  std::lock_guard<std::mutex> lock(mutex_);
  for (DialTarget& call : calls) {
    note(call);
    if (!call.status.ok()) continue;
    entries_[call.who.to].data[{call.who.rail, call.who.number}] = std::move(call.socket);
  }
  return problems;
}

DataSocket Assembly::Finished(Fd socket, int rail, bool same_host) {
  DataSocket data;
  data.rail = rail;
  const std::string address = LocalAddress(socket.get()).Host();
  for (const HostInterface& each : contacts_[config_.rank].info.interfaces) {
    if (each.address == address) data.interface = each.name;
  }
  if (!same_host) {
    SetKeepAlive(socket.get(), config_.silence_timeout);
    if (!networks_[rail].empty()) KeepToInterface(socket.get(), data.interface);
  }
  data.socket = std::move(socket);
  return data;
}

Status Assembly::FinishRails(const std::vector<int>& kept, Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto there = [&](int rank) {
    if (!NeedsData(rank)) return true;
    for (const int network : kept) {
      for (int number = 0; number < config_.sockets_per_rail; ++number) {
        if (entries_[rank].data.count({network, number}) == 0) return false;
      }
    }
    return true;
  };
  changed_.wait_until(lock, deadline, [&] { return Missing(there).empty(); });
  DDL_RETURN_IF_ERROR(DidNotConnect(Missing(there)));
  for (int peer = 0; peer < config_.size; ++peer) {
    if (!NeedsData(peer)) continue;
    Entry& entry = entries_[peer];
    for (size_t rail = 0; rail < kept.size(); ++rail) {
      for (int number = 0; number < config_.sockets_per_rail; ++number) {
        Fd socket = std::move(entry.data[{kept[rail], number}]);
        entry.parts.data.push_back(Finished(std::move(socket), kept[rail], entry.parts.same_host));
        entry.parts.data.back().rail = static_cast<int>(rail);
      }
    }
    entry.parts.rails = std::max<int>(1, static_cast<int>(kept.size()));
    entry.data.clear();
  }
  return OkStatus();
}

std::map<int, PairParts> Assembly::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::map<int, PairParts> parts;
  for (int rank = 0; rank < config_.size; ++rank) {
    if (rank != config_.rank) parts.emplace(rank, std::move(entries_[rank].parts));
  }
  return parts;
}

}  // namespace tf_ddl
