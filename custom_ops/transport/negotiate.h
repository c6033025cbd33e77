// Agrees with the peer, on a new connection that has proved the secret, how data travels between
// the two: over TCP, through shared memory, or by cross-memory attach.
#ifndef TF_DDL_TRANSPORT_NEGOTIATE_H_
#define TF_DDL_TRANSPORT_NEGOTIATE_H_

#include "base/socket.h"
#include "base/status.h"
#include "base/time.h"
#include "transport/mesh.h"
#include "transport/stream_pair.h"

namespace tf_ddl {

// Both ends call it at the same time. Both must be able to use shared memory, or cross-memory
// attach, for it to be used; what is missing is logged, not an error. `ranks_on_host`: how many
// there are on the own one. `socket` becomes the pair's.
Status Negotiate(const JobConfig& config, const PeerInfo& own, const PeerInfo& peer,
                 int ranks_on_host, Fd socket, Deadline deadline, const StopSignal* stop,
                 PairParts* parts);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_NEGOTIATE_H_
