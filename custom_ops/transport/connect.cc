// ConnectMesh: from "who am I" to a pair with every other rank.
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/host_id.h"
#include "base/log.h"
#include "rendezvous/listener.h"
#include "rendezvous/store.h"
#include "transport/assembly.h"
#include "transport/contact.h"
#include "transport/interfaces.h"
#include "transport/mesh.h"
#include "transport/rails.h"

namespace tf_ddl {
namespace {

// Once all have come, connecting may take this long even if coming took all of join_timeout.
constexpr double kMinConnectSeconds = 15.0;
constexpr int kMaxSocketsPerRail = 64;

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
  if (config.sockets_per_rail < 1 || config.sockets_per_rail > kMaxSocketsPerRail) {
    return InvalidArgument("DDL_SOCKETS_PER_RAIL: " + std::to_string(config.sockets_per_rail) +
                           " is not a number of sockets from 1 to " +
                           std::to_string(kMaxSocketsPerRail));
  }
  return OkStatus();
}

Status StartStore(const JobConfig& config, std::unique_ptr<Store>* store) {
  HostPort where;
  DDL_RETURN_IF_ERROR(ParseHostPort(config.rendezvous, &where).Prefixed("DDL_RENDEZVOUS"));
  StoreOptions options;
  // A name may mean another of this machine's addresses to other hosts: serve on all of them.
  if (IsLoopback(where.host)) options.host = where.host;
  options.port = where.port;
  options.size = config.size;
  options.secret = config.secret;
  options.join_timeout = config.join_timeout;
  return Store::Create(options, store);
}

// This machine's addresses as others may reach them, the one that leads to the store first.
std::vector<std::string> OwnAddresses(const JobConfig& config,
                                      const std::vector<HostInterface>& interfaces) {
  std::vector<std::string> addresses;
  for (const HostInterface& each : interfaces) addresses.push_back(each.address);
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

Status DecodeAll(const JobConfig& config, const std::vector<std::string>& blobs,
                 std::vector<Contact>* contacts) {
  contacts->resize(blobs.size());
  for (size_t i = 0; i < blobs.size(); ++i) {
    Contact& contact = (*contacts)[i];
    DDL_RETURN_IF_ERROR(Decode(blobs[i], static_cast<int>(i), &contact));
    if (contact.sockets_per_rail != config.sockets_per_rail) {
      return InvalidArgument("DDL_SOCKETS_PER_RAIL is " + std::to_string(config.sockets_per_rail) +
                             " on rank " + std::to_string(config.rank) + " but " +
                             std::to_string(contact.sockets_per_rail) + " on " +
                             NameOf(contact.info) + ": it must be the same on every rank");
    }
  }
  return OkStatus();
}

// Connects what carries data between hosts. `rails` are the candidates, then those that work
// between every two ranks: each rank knows of the connections that it has made, and all exchange
// what they know.
Status ConnectRails(const JobConfig& config, int store, Deadline deadline, Assembly* assembly,
                    std::vector<std::string>* rails) {
  const bool known = !rails->front().empty();
  if (!known && config.sockets_per_rail == 1) return OkStatus();  // the primary connections do
  std::vector<std::string> problems = assembly->DialRails(deadline);
  if (known) {
    std::vector<std::string> blobs;
    DDL_RETURN_IF_ERROR(ExchangeInStore(store, config, EncodeProblems(problems), deadline, &blobs));
    DDL_RETURN_IF_ERROR(MergeProblems(blobs, rails->size(), &problems));
  } else if (!problems[0].empty()) {
    return Unavailable(problems[0]);
  }
  std::vector<int> kept;
  std::vector<std::string> names;
  for (size_t i = 0; i < rails->size(); ++i) {
    if (problems[i].empty()) {
      kept.push_back(static_cast<int>(i));
      names.push_back((*rails)[i]);
    } else if (config.rank == 0) {
      DDL_LOG(kWarning) << "network " << (*rails)[i]
                        << " is on every host but carries no data: " << problems[i];
    }
  }
  if (names.empty()) names.emplace_back();
  *rails = std::move(names);
  return assembly->FinishRails(kept, deadline);
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
  own.info.interfaces = UsableInterfaces();
  own.info.gpus = CountGpus();
  DDL_RETURN_IF_ERROR(SelectInterfaces(config.interfaces, own.info.hostname, &own.info.interfaces));
  if (config.size == 1) {
    mesh->pairs.resize(1);
    mesh->peers.push_back(own.info);
    return OkStatus();
  }
  const Deadline join_deadline = DeadlineIn(config.join_timeout);
  std::unique_ptr<Store> own_store;
  if (config.rank == 0 && config.host_store) DDL_RETURN_IF_ERROR(StartStore(config, &own_store));

  Fd socket;
  DDL_RETURN_IF_ERROR(Listen("", 0, &socket, &own.port));
  own.sockets_per_rail = config.sockets_per_rail;
  own.addresses = OwnAddresses(config, own.info.interfaces);
  Assembly assembly(config);
  Listener listener(std::move(socket), config.secret, Purpose::kData, config.rank,
                    [&assembly, &listener](Fd fd, const Introduction& who) {
                      assembly.Accept(std::move(fd), who, listener.stop());
                    });
  const Closing closing{&assembly, &listener};

  std::vector<std::string> blobs;
  std::string local_address;
  Fd store;
  DDL_RETURN_IF_ERROR(JoinStore(config, Encode(own), &blobs, &local_address, &store));
  std::vector<Contact> contacts;
  DDL_RETURN_IF_ERROR(DecodeAll(config, blobs, &contacts));
  for (const Contact& contact : contacts) mesh->peers.push_back(contact.info);
  mesh->rails = CommonNetworks(mesh->peers);
  assembly.SetContacts(std::move(contacts), mesh->rails);
  const Deadline deadline =
      std::max(join_deadline, DeadlineIn(std::min(config.join_timeout, kMinConnectSeconds)));
  DDL_RETURN_IF_ERROR(assembly.DialPrimaries(deadline));
  DDL_RETURN_IF_ERROR(assembly.AwaitPrimaries(deadline));
  DDL_RETURN_IF_ERROR(ConnectRails(config, store.get(), deadline, &assembly, &mesh->rails));

  mesh->pairs.resize(config.size);
  for (auto& [rank, parts] : assembly.Take()) {
    mesh->pairs[rank] = NewStreamPair(std::move(parts));
  }
  mesh->store = std::move(own_store);
  return OkStatus();
}

}  // namespace tf_ddl
