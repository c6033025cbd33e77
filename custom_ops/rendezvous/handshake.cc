#include "rendezvous/handshake.h"

#include <cstring>

#include "base/sha256.h"

namespace tf_ddl {
namespace {

constexpr char kMagic[6] = {'t', 'f', '_', 'd', 'd', 'l'};
constexpr uint8_t kVersion = 2;

struct ServerHello {
  char magic[6];
  uint8_t version;
  uint8_t byte_order;
  uint8_t nonce[32];
};
static_assert(sizeof(ServerHello) == 40, "part of the protocol");

struct ClientHello {
  uint8_t nonce[32];
  uint32_t purpose;
  int32_t from;
  int32_t to;
  int32_t rail;
  int32_t number;
};
static_assert(sizeof(ClientHello) == 52, "part of the protocol");

uint8_t ByteOrder() {
  const uint16_t one = 1;
  uint8_t first;
  std::memcpy(&first, &one, 1);
  return first != 0 ? 'l' : 'b';
}

Digest Proof(const std::string& secret, const char* side, const ServerHello& server,
             const ClientHello& client) {
  std::string message(side);
  message.append(reinterpret_cast<const char*>(&server), sizeof server);
  message.append(reinterpret_cast<const char*>(&client), sizeof client);
  return HmacSha256(secret, message);
}

}  // namespace

Status ProveAsClient(int socket, const std::string& secret, const Introduction& who,
                     Deadline deadline, const StopSignal* stop) {
  ServerHello server;
  DDL_RETURN_IF_ERROR(ReadAll(socket, &server, sizeof server, deadline, stop));
  if (std::memcmp(server.magic, kMagic, sizeof kMagic) != 0) {
    return InvalidArgument("what answers there is not tf_ddl");
  }
  if (server.version != kVersion || server.byte_order != ByteOrder()) {
    return InvalidArgument(
        "what answers there is another version of tf_ddl, or runs on a "
        "processor of another byte order");
  }
  ClientHello client = {};
  DDL_RETURN_IF_ERROR(RandomBytes(client.nonce, sizeof client.nonce));
  client.purpose = static_cast<uint32_t>(who.purpose);
  client.from = who.from;
  client.to = who.to;
  client.rail = who.rail;
  client.number = who.number;
  const Digest own = Proof(secret, "tf_ddl client", server, client);
  uint8_t message[sizeof client + sizeof own];
  std::memcpy(message, &client, sizeof client);
  std::memcpy(message + sizeof client, own.data(), sizeof own);
  DDL_RETURN_IF_ERROR(WriteAll(socket, message, sizeof message, deadline, stop));
  uint8_t accepted = 0;
  DDL_RETURN_IF_ERROR(ReadAll(socket, &accepted, 1, deadline, stop));
  if (accepted != 1) {
    return PermissionDenied("the secret is not the one that the other side knows");
  }
  Digest theirs;
  DDL_RETURN_IF_ERROR(ReadAll(socket, theirs.data(), sizeof theirs, deadline, stop));
  if (!EqualInConstantTime(theirs, Proof(secret, "tf_ddl server", server, client))) {
    return PermissionDenied("the other side does not know the secret");
  }
  return OkStatus();
}

Status ProveAsServer(int socket, const std::string& secret, Purpose purpose, int32_t to,
                     Deadline deadline, const StopSignal* stop, Introduction* who) {
  ServerHello server;
  std::memcpy(server.magic, kMagic, sizeof kMagic);
  server.version = kVersion;
  server.byte_order = ByteOrder();
  DDL_RETURN_IF_ERROR(RandomBytes(server.nonce, sizeof server.nonce));
  DDL_RETURN_IF_ERROR(WriteAll(socket, &server, sizeof server, deadline, stop));
  uint8_t message[sizeof(ClientHello) + sizeof(Digest)];
  DDL_RETURN_IF_ERROR(ReadAll(socket, message, sizeof message, deadline, stop));
  ClientHello client;
  Digest theirs;
  std::memcpy(&client, message, sizeof client);
  std::memcpy(theirs.data(), message + sizeof client, sizeof theirs);
  if (!EqualInConstantTime(theirs, Proof(secret, "tf_ddl client", server, client)) ||
      client.purpose != static_cast<uint32_t>(purpose) || client.to != to) {
    const uint8_t refused = 0;
    WriteAll(socket, &refused, 1, deadline, stop);
    return PermissionDenied("the other side does not know the secret");
  }
  const Digest own = Proof(secret, "tf_ddl server", server, client);
  uint8_t answer[1 + sizeof own] = {1};
  std::memcpy(answer + 1, own.data(), sizeof own);
  DDL_RETURN_IF_ERROR(WriteAll(socket, answer, sizeof answer, deadline, stop));
  *who = {purpose, client.from, client.to, client.rail, client.number};
  return OkStatus();
}

}  // namespace tf_ddl
