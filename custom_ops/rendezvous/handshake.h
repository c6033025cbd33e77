// The handshake by which both ends of a new connection prove to each other that they know the job's
// secret. Until it has succeeded nothing else that comes over the connection is looked at; every
// read has a fixed size.
//
//   server -> client   "tf_ddl", version, byte order, 32 random bytes
//   client -> server   32 random bytes, who it is and whom it wants, HMAC-SHA-256(secret, all that)
//   server -> client   0: refused; or 1 and its own HMAC
#ifndef TF_DDL_RENDEZVOUS_HANDSHAKE_H_
#define TF_DDL_RENDEZVOUS_HANDSHAKE_H_

#include <cstdint>
#include <string>

#include "base/socket.h"
#include "base/status.h"
#include "base/time.h"

namespace tf_ddl {

constexpr double kHandshakeSeconds = 5.0;

enum class Purpose : uint32_t { kStore = 1, kData = 2 };

// What the client says of itself; part of what is proved, so that a connection that reaches the
// wrong rank, or the store instead of a rank, does not pass.
struct Introduction {
  Purpose purpose = Purpose::kStore;
  int32_t from = -1;
  int32_t to = -1;
  int32_t rail = -1;   // of a data socket; -1: the primary one
  int32_t number = 0;  // among the rail's sockets
};

// kPermissionDenied: the other side does not know the secret, or says that this side does not.
// kInvalidArgument: what answers there is something else. Other codes as of ReadAll.
Status ProveAsClient(int socket, const std::string& secret, const Introduction& who,
                     Deadline deadline, const StopSignal* stop);
// Only clients that introduce themselves for `purpose` and `to` are accepted.
Status ProveAsServer(int socket, const std::string& secret, Purpose purpose, int32_t to,
                     Deadline deadline, const StopSignal* stop, Introduction* who);

}  // namespace tf_ddl

#endif  // TF_DDL_RENDEZVOUS_HANDSHAKE_H_
