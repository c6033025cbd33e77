// Builds the pairs of one rank while the ranks connect. Connections to lower ranks are made here,
// those of higher ranks arrive on the listener's threads. First comes every pair's primary
// connection, on which the two ends agree how data travels; then, between hosts, the connections
// that carry data, on every network that the hosts seem to share. All ranks then agree which of
// those networks work.
#ifndef TF_DDL_TRANSPORT_ASSEMBLY_H_
#define TF_DDL_TRANSPORT_ASSEMBLY_H_

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/time.h"
#include "rendezvous/handshake.h"
#include "transport/contact.h"
#include "transport/dial.h"
#include "transport/mesh.h"
#include "transport/stream_pair.h"

namespace tf_ddl {

class Assembly {
 public:
  explicit Assembly(const JobConfig& config) : config_(config), entries_(config.size) {}

  // The listener hands every proved connection to this.
  void Accept(Fd socket, const Introduction& who, const StopSignal* stop);
  // All ranks have come; `networks` are the candidates for rails.
  void SetContacts(std::vector<Contact> contacts, std::vector<std::string> networks);

  // Primary connections: to all lower ranks, and from the higher ones.
  Status DialPrimaries(Deadline deadline);
  Status AwaitPrimaries(Deadline deadline);

  // Data connections to all lower ranks. By network: "" or why it cannot be used.
  std::vector<std::string> DialRails(Deadline deadline);
  // Waits for those of the higher ranks on the networks that are kept (numbers, ascending), and
  // makes them the pairs' rails.
  Status FinishRails(const std::vector<int>& kept, Deadline deadline);

  // Ends the waiting of connections that came early.
  void Cancel();
  std::map<int, PairParts> Take();

 private:
  enum class State { kMissing, kAgreeing, kThere };
  struct Entry {
    State state = State::kMissing;
    PairParts parts;
    std::map<std::pair<int, int>, Fd> data;  // by network and number
  };

  bool AwaitContacts(std::unique_lock<std::mutex>* lock);
  void AcceptData(Fd socket, const Introduction& who);
  Status DialPrimary(int peer, Deadline deadline);
  Status Agree(Fd socket, int peer, const StopSignal* stop, PairParts* parts);
  // Where a data connection to `peer` goes; an error if the address makes no sense.
  Status Destination(int peer, int network, DialTarget* call);
  DataSocket Finished(Fd socket, int rail, bool same_host);
  bool NeedsData(int peer) const;  // with mutex_ held
  // Higher ranks for which `there` does not hold, as text. With mutex_ held.
  template <typename There>
  std::string Missing(There there) const;
  Status DidNotConnect(const std::string& names) const;

  const JobConfig config_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Empty until SetContacts, then constant.
  std::vector<Contact> contacts_;
  std::vector<std::string> networks_;
  bool cancelled_ = false;      // guarded by mutex_
  std::vector<Entry> entries_;  // guarded by mutex_
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_ASSEMBLY_H_
