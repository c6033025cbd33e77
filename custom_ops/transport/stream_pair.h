// The one Pair: a socket, and where they can be had shared-memory rings and a RemoteReader.
#ifndef TF_DDL_TRANSPORT_STREAM_PAIR_H_
#define TF_DDL_TRANSPORT_STREAM_PAIR_H_

#include <memory>
#include <string>

#include "base/fd.h"
#include "transport/pair.h"
#include "transport/remote_reader.h"
#include "transport/segment.h"

namespace tf_ddl {

struct PairParts {
  int rank = 0;  // own
  int peer = 0;
  std::string peer_name;  // "rank 2 (host b, pid 71)"
  std::string transport;  // see Pair::transport
  bool same_host = false;
  Fd socket;                             // connected and nonblocking
  std::shared_ptr<Segment> segment;      // null: data goes through the socket
  int side = 0;                          // in the segment
  std::unique_ptr<RemoteReader> reader;  // null: no pulling; needs a segment
};

std::unique_ptr<Pair> NewStreamPair(PairParts parts);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_STREAM_PAIR_H_
