#include "transport/dial.h"

#include <poll.h>

#include <algorithm>
#include <set>

namespace tf_ddl {
namespace {

// Until all connections under way are decided, or the deadline.
void AwaitConnections(Deadline deadline, std::vector<DialTarget*> pending) {
  while (!pending.empty()) {
    std::vector<pollfd> fds;
    for (const DialTarget* call : pending) fds.push_back({call->socket.get(), POLLOUT, 0});
    poll(fds.data(), fds.size(), MillisLeft(deadline));
    const bool late = Clock::now() >= deadline;
    std::vector<DialTarget*> left;
    for (size_t i = 0; i < pending.size(); ++i) {
      DialTarget* const call = pending[i];
      if (fds[i].revents != 0) {
        call->status = FinishConnect(call->socket.get(), call->to);
      } else if (late) {
        call->status = DeadlineExceeded(call->to.HostAndPort() + ": no answer in time");
      } else {
        left.push_back(call);
      }
    }
    pending.swap(left);
  }
}

}  // namespace

void Dial(const std::string& secret, Deadline deadline, std::vector<DialTarget>* calls) {
  std::vector<DialTarget*> pending;
  for (DialTarget& call : *calls) {
    call.status = StartConnect(call.to, call.from, &call.socket);
    if (call.status.ok()) pending.push_back(&call);
  }
  AwaitConnections(deadline, std::move(pending));
  std::set<int> lost;  // rails that will not be used, so that no more time is to be spent on them
  for (DialTarget& call : *calls) {
    if (call.status.ok() && lost.count(call.who.rail) > 0) {
      call.status = Cancelled(call.to.HostAndPort() + ": another connection has failed");
    }
    if (call.status.ok()) {
      call.status =
          ProveAsClient(call.socket.get(), secret, call.who, DeadlineIn(kHandshakeSeconds), nullptr)
              .Prefixed(call.to.HostAndPort());
    }
    if (call.status.ok()) continue;
    lost.insert(call.who.rail);
    call.socket.Reset();
  }
}

}  // namespace tf_ddl
