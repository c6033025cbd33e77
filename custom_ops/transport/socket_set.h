// The sockets of a pair. The primary carries the control frames; data goes over those of the rails
// or, where there are none, over the primary too. That way control frames never wait behind data.
#ifndef TF_DDL_TRANSPORT_SOCKET_SET_H_
#define TF_DDL_TRANSPORT_SOCKET_SET_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "base/time.h"
#include "transport/inbox.h"
#include "transport/link_stats.h"
#include "transport/outbox.h"
#include "transport/socket_link.h"
#include "transport/stream.h"
#include "transport/stream_pair.h"

namespace tf_ddl {

class SocketSet {
 public:
  // `primary_carries_data`: unless there are data sockets or a ring.
  SocketSet(Fd primary, bool primary_carries_data, int rails, std::vector<DataSocket> data,
            Inbox* inbox, const Stream::Handler& handler);

  int size() const { return static_cast<int>(lines_.size()); }
  int rails() const { return static_cast<int>(by_rail_.size()); }
  const SocketLink& link(int i) const { return lines_[i]->link; }
  bool wants_write(int i) const { return link(i).open() && !link(i).out().empty(); }

  const SocketLink& primary() const { return lines_[0]->link; }
  Outbox& control_out() { return lines_[0]->link.out(); }
  // Of the rail's sockets the one with the least to write.
  Outbox& data_out(int rail);
  int sockets_per_rail() const { return static_cast<int>(by_rail_[0].size()); }
  // Of each rail's sockets only the first `n` are written to from now on; 0: all.
  void Use(int n) { in_use_ = n; }

  // Read and write about `budget` bytes per socket; Read adds them to `moved`. An error of Read:
  // see SocketLink. Write: `broken` tells of a connection that turned out to be broken.
  Status Read(size_t budget, size_t* moved);
  size_t Write(size_t budget, Outbox::Callbacks* done, Status* broken);

  // Queues a goodbye on every socket, behind everything else.
  void PushBye(const FrameHeader& header);
  // The last word is an abort: data that waits is dropped.
  void DropData();

  // What the peer said: goodbye on the primary; goodbye on all (or their end).
  bool bye() const { return lines_[0]->stream.bye; }
  bool all_bye() const;
  // How a data socket ended without a goodbye; ok if none did.
  Status LostData() const;

  // Reads and forgets, so that sockets neither fill up nor look readable for ever.
  void Discard(size_t budget);
  // Writes until nothing is left, `others_done` says so too and, with `confirm`, the other host has
  // all of it; or until the deadline. After DropData only the primary matters.
  void Drain(bool confirm, Deadline deadline, const std::function<bool()>& others_done);
  void Close();

  // One for every socket that carries data.
  std::vector<LinkStats> Stats() const;
  // What does not change and, of the rest, the bytes written. Any thread.
  std::vector<LinkStats> Written() const;

 private:
  struct Line {
    Line(Fd socket, size_t buffer, Inbox* inbox, const Stream::Handler& handler)
        : stream(inbox, handler),
          link(std::move(socket), buffer, stream.frames(), stream.arrival()) {}
    Stream stream;
    SocketLink link;
    bool data = false;
    LinkStats fixed;  // what does not change
  };

  static std::string Where(const Line& line);
  Line* Add(Fd socket, bool data, int rail, Inbox* inbox, const Stream::Handler& handler);

  std::vector<std::unique_ptr<Line>> lines_;  // the primary first
  std::vector<std::vector<Line*>> by_rail_;
  bool dropped_data_ = false;
  int in_use_ = 0;
  size_t turn_ = 0;  // of sockets that have equally much to write
};

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_SOCKET_SET_H_
