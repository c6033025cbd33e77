// A Pair is this rank's end of the connection to one peer. It carries tagged messages in both
// directions and small control frames, over whatever joins the two ranks:
//
//   * data:    a shared-memory ring each way between processes of one host (or threads of one
//              process), else the TCP socket;
//   * pulling: where the receiver can read the sender's memory (cross-memory attach between
//              processes, memcpy between threads), a large message is only offered (its addresses
//              travel) and the receiver reads it from where it lies: one copy instead of two;
//   * control: always the primary socket, which is also how the death of a peer is noticed. The
//     end of any other socket without a goodbye is the loss of the peer too.
//
// Threading: a Pair belongs to one thread, its communicator's progress thread. Nothing blocks;
// callbacks run on that thread, from inside Poll, Send or Receive.
#ifndef TF_DDL_TRANSPORT_PAIR_H_
#define TF_DDL_TRANSPORT_PAIR_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "transport/link_stats.h"

namespace tf_ddl {

// Names one message of one collective; equal on both sides. A receiver finds the posted Receive
// by it, so messages of different collectives may overtake each other.
struct Tag {
  uint64_t group = 0;     // hash of the group's key
  uint64_t instance = 0;  // which call of the group and which bucket
  uint64_t part = 0;      // lane, round and step of the plan
  bool operator==(const Tag& o) const {
    return group == o.group && instance == o.instance && part == o.part;
  }
};

struct TagHash {
  size_t operator()(const Tag& t) const {
    uint64_t h = t.group * 0x9E3779B97F4A7C15ull;
    h = (h ^ (h >> 29) ^ t.instance) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ (h >> 32) ^ t.part) * 0x94D049BB133111EBull;
    return static_cast<size_t>(h ^ (h >> 31));
  }
};

// Where an arriving message goes. Implemented by the communicator (copy or reduce).
class Sink {
 public:
  virtual ~Sink() = default;
  // Bytes the message must have. Another length is an error on this side.
  virtual size_t bytes() const = 0;
  // Of several messages that could be moved, those with the lowest number come first.
  virtual uint64_t priority() const { return 0; }
  // Appends the memory for message bytes [offset, offset + max_bytes) to `out`, as consecutive
  // pieces, when arriving bytes may be written straight to their place. Appends nothing when they
  // must pass through Consume (a reduction).
  virtual void Windows(size_t offset, size_t max_bytes, std::vector<iovec>* out) = 0;
  // Message bytes [offset, offset + n) have arrived at `data`. `offset` and `n` are multiples of
  // 16 except that the last piece of a message may be shorter; `data` is 16-byte aligned.
  virtual void Consume(size_t offset, const uint8_t* data, size_t n) = 0;
};

enum class ControlKind : uint32_t {
  kAbort = 1,   // payload: "<code>\n<message>": the job has failed; delivered as a Status
  kBye = 2,     // the peer shuts down in good order; the end of the socket after it is no failure
  kGroup = 3,   // engine: a group's specification, for comparison
  kAgreed = 4,  // engine: rank 0's answer
  kOrder = 5,   // engine: the agreed order of a group's tensors
  kLinks = 6,   // communicator: measured links, and the model made of them
  kPlans = 7,   // engine: rank 0's choice of plans
  kReport = 8,  // engine: what a rank measured while training
  kDeviceSetup = 9,   // before the engine: who can use its GPU, and what all do
  kDeviceOrder = 10,  // engine: in which order rank 0 starts buckets in GPU memory
  kLast = 11,         // engine: "?", or the last collectives of a rank, as text
};

class PairEvents {
 public:
  virtual ~PairEvents() = default;
  // A control frame other than kAbort and kBye arrived.
  virtual void OnControl(int peer, ControlKind kind, std::string payload) = 0;
  // The peer said goodbye (clean shutdown). Messages it sent before have all been delivered.
  virtual void OnBye(int peer) = 0;
  // The connection is lost or the peer aborted; `status` says who and why. Called once.
  virtual void OnFailure(int peer, const Status& status) = 0;
};

class Pair {
 public:
  virtual ~Pair() = default;

  virtual int peer() const = 0;
  // "cma", "shm", "tcp", "memory": how data travels. For logs, stats and the planner.
  virtual const char* transport() const = 0;
  virtual bool same_host() const = 0;
  virtual bool can_pull() const = 0;
  // How many rails messages can choose from. 1 where they travel through shared memory.
  virtual int rails() const = 0;

  virtual void set_events(PairEvents* events) = 0;

  // Sends the bytes of `pieces` in order as one message, over a socket of `rail` (no matter where
  // there is but one; the receiver need not know). The memory must stay as it is until `done` runs
  // (the receiver may read it in place). `done` never runs after a failure. `in_caches`: copying it
  // costs less than reading it in place would, if it fits well into the ring.
  virtual void Send(const Tag& tag, int rail, std::vector<iovec> pieces, std::function<void()> done,
                    bool in_caches) = 0;
  void Send(const Tag& tag, int rail, std::vector<iovec> pieces, std::function<void()> done) {
    Send(tag, rail, std::move(pieces), std::move(done), false);
  }

  // How many sockets there are on a rail, and how many of them Send uses from now on (0: all).
  virtual int sockets_per_rail() const = 0;
  virtual void UseSockets(int n) = 0;

  // Receives the message `tag` into `sink`; `sink` must live until `done` has run or the Pair is
  // destroyed. A message that arrives before its Receive is kept (a copy, or its addresses).
  virtual void Receive(const Tag& tag, Sink* sink, std::function<void()> done) = 0;

  // Queues a control frame; kept in order with the other control frames.
  virtual void SendControl(ControlKind kind, const std::string& payload) = 0;

  // Moves what can be moved without waiting. Returns true if anything moved. Bounded work per
  // call, so that one busy pair does not starve the others. `check_sockets` is false when the
  // caller knows (epoll) that no socket of the pair has anything to read.
  virtual bool Poll(bool check_sockets) = 0;

  // For the communicator's epoll set: the pair's sockets, by number; 0 is the primary.
  virtual int num_sockets() const = 0;             // does not change
  virtual int fd(int socket) const = 0;            // -1 once it is closed
  virtual bool wants_write(int socket) const = 0;  // bytes are queued that it did not take

  // The sockets that carry data, as the kernel sees them now. Cheap: a system call each.
  virtual std::vector<LinkStats> Links() const = 0;
  // The same sockets with no more than bytes_written filled in. Any thread.
  virtual std::vector<LinkStats> LinksWritten() const = 0;

  // Called before the progress thread sleeps: from now on the peer rings the socket after it
  // writes into shared memory. Returns false if something is already waiting to be read, in which
  // case the thread must not sleep. CancelSleep is called after waking.
  virtual bool PrepareSleep() = 0;
  virtual void CancelSleep() = 0;
  // While bells are held, a peer that sleeps is rung for only if it has not come by itself after a
  // little while, or when this side is about to sleep.
  virtual void HoldBells(bool hold) = 0;

  // Tries to push queued control frames out until `millis` have passed, then closes the socket.
  // Nothing runs after it.
  virtual void Close(int millis) = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_PAIR_H_
