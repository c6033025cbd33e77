// The implementation of Pair: over sockets, and where the two ranks can share memory also over
// shared-memory rings and a RemoteReader.
#ifndef TF_DDL_TRANSPORT_STREAM_PAIR_H_
#define TF_DDL_TRANSPORT_STREAM_PAIR_H_

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "transport/pair.h"
#include "transport/remote_reader.h"
#include "transport/segment.h"

namespace tf_ddl {

// A socket that carries data only, over one rail.
struct DataSocket {
  Fd socket;  // connected and nonblocking
  int rail = 0;
  std::string interface;  // of this host; "" if unknown
};

struct PairParts {
  int rank = 0;  // own
  int peer = 0;
  std::string peer_name;  // "rank 2 (host b, pid 71)"
  std::string transport;  // see Pair::transport
  bool same_host = false;
  Fd socket;                             // the primary one, connected and nonblocking
  int rails = 1;                         // without a segment: every rail has a data socket, or ...
  std::vector<DataSocket> data;          // ... there are none, and the primary carries all data
  std::shared_ptr<Segment> segment;      // null: data goes through sockets
  int side = 0;                          // in the segment
  std::unique_ptr<RemoteReader> reader;  // null: no pulling; needs a segment
};

std::unique_ptr<Pair> NewStreamPair(PairParts parts);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_STREAM_PAIR_H_
