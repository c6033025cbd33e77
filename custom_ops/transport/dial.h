// Opens several connections at the same time, so that the timeout of those that do not answer is
// waited for only once.
#ifndef TF_DDL_TRANSPORT_DIAL_H_
#define TF_DDL_TRANSPORT_DIAL_H_

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/time.h"
#include "rendezvous/handshake.h"

namespace tf_ddl {

struct DialTarget {
  Introduction who;
  Address to;
  LocalEnd from;
  // What became of it.
  Fd socket;
  Status status;
};

// Connects all and proves the secret on each. Whatever is not connected at the deadline has failed;
// once a connection of a rail has failed, those after it are not waited for.
void Dial(const std::string& secret, Deadline deadline, std::vector<DialTarget>* calls);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_DIAL_H_
