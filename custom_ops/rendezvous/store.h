// The store is where the ranks of a job find each other: every rank brings a few bytes about
// itself (its addresses), and when all have come, every rank gets everybody's. Rank 0 or the
// launcher runs it.
#ifndef TF_DDL_RENDEZVOUS_STORE_H_
#define TF_DDL_RENDEZVOUS_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "base/time.h"

namespace tf_ddl {

struct StoreOptions {
  std::string host;  // address to bind; empty: all
  int port = 0;      // 0: any free one
  int size = 0;      // ranks of the job
  std::string secret;
  double join_timeout = 60.0;  // seconds, from the first rank's coming
};

// Who this rank is and how it finds the store.
struct JoinOptions {
  int rank = 0;
  int size = 1;
  std::string rendezvous;      // host:port of the store
  std::string secret;          // known to every rank of the job and to nobody else
  bool host_store = true;      // rank 0 runs the store itself (false: the launcher does)
  double join_timeout = 60.0;  // seconds until a missing rank is an error
};

// Serves on threads of its own until destroyed. It goes on answering after all ranks have come,
// to tell a latecomer why it is refused.
class Store {
 public:
  virtual ~Store() = default;
  static Status Create(const StoreOptions& options, std::unique_ptr<Store>* store);
  virtual int port() const = 0;
};

// Joins the job as `rank` with `blob`; returns all blobs by rank, and the local address by which
// the store was reached. Retries until the store is there, at most options.join_timeout.
// `connection`, if not null, is for an ExchangeInStore; closing it early tells the others that
// this rank has given up.
Status JoinStore(const JoinOptions& options, const std::string& blob,
                 std::vector<std::string>* blobs, std::string* local_address,
                 Fd* connection = nullptr);

// Once more everybody's blobs, if all ranks of the job that JoinStore has joined ask for it.
// kUnavailable: a rank, or the store, went away meanwhile.
Status ExchangeInStore(int connection, const JoinOptions& options, const std::string& blob,
                       Deadline deadline, std::vector<std::string>* blobs);

}  // namespace tf_ddl

#endif  // TF_DDL_RENDEZVOUS_STORE_H_
