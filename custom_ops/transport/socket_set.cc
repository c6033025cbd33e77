#include "transport/socket_set.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/socket.h"

namespace tf_ddl {
namespace {

// A socket that carries only control and wake frames needs little.
constexpr size_t kControlBuffer = 4 << 10;
constexpr size_t kDataBuffer = 256 << 10;
// More of a slow link's data in the kernel would stand in the way of smaller messages, and of a
// fast one's would leave the caches before it is sent; measured in docs/benchmarks.md.
constexpr int kUnsentBytes = 256 << 10;

bool IsTcp(int socket) {
  const int family = LocalAddress(socket).storage.ss_family;
  return family == AF_INET || family == AF_INET6;
}

}  // namespace

SocketSet::SocketSet(Fd primary, bool primary_carries_data, int rails, std::vector<DataSocket> data,
                     Inbox* inbox, const Stream::Handler& handler)
    : by_rail_(rails) {
  primary_carries_data = primary_carries_data && data.empty();
  Line* const first = Add(std::move(primary), primary_carries_data, 0, inbox, handler);
  if (data.empty()) by_rail_.assign(rails, {first});
  for (DataSocket& each : data) {
    Line* const line = Add(std::move(each.socket), true, each.rail, inbox, handler);
    line->fixed.interface = each.interface;
    by_rail_[each.rail].push_back(line);
  }
}

SocketSet::Line* SocketSet::Add(Fd socket, bool data, int rail, Inbox* inbox,
                                const Stream::Handler& handler) {
  const int fd = socket.get();
  auto line = std::make_unique<Line>(std::move(socket), data ? kDataBuffer : kControlBuffer, inbox,
                                     handler);
  line->data = data;
  line->fixed.rail = rail;
  if (IsTcp(fd)) {
    if (data) SetUnsentLimit(fd, kUnsentBytes);
    line->fixed.address = LocalAddress(fd).Host();
    line->fixed.peer_address = RemoteAddress(fd).Host();
  }
  lines_.push_back(std::move(line));
  return lines_.back().get();
}

Outbox& SocketSet::data_out(int rail) {
  const std::vector<Line*>& lines = by_rail_[rail];
  Line* best = nullptr;
  const size_t in_use =
      in_use_ == 0 ? lines.size() : std::min(lines.size(), static_cast<size_t>(in_use_));
  const size_t first = turn_++;
  for (size_t i = 0; i < in_use; ++i) {
    Line* const line = lines[(first + i) % in_use];
    if (best == nullptr || line->link.out().bytes() < best->link.out().bytes()) best = line;
  }
  return best->link.out();
}

Status SocketSet::Read(size_t budget, size_t* moved) {
  for (const auto& line : lines_) DDL_RETURN_IF_ERROR(line->link.Read(budget, moved));
  return OkStatus();
}

size_t SocketSet::Write(size_t budget, Outbox::Callbacks* done, Status* broken) {
  size_t moved = 0;
  for (const auto& line : lines_) {
    Status status;
    moved += line->link.Write(budget, done, &status);
    if (!status.ok()) *broken = Status(status.code(), status.message() + Where(*line));
  }
  return moved;
}

void SocketSet::PushBye(const FrameHeader& header) {
  for (const auto& line : lines_) {
    if (line->link.open()) line->link.out().PushOwned(header, {});
  }
}

void SocketSet::DropData() {
  lines_[0]->link.out().DropUnstartedData();
  // What a data socket has begun need not be finished: nothing follows it.
  dropped_data_ = true;
  for (size_t i = 1; i < lines_.size(); ++i) lines_[i]->link.out().Clear();
}

// ", between 10.1.0.1 and 10.1.0.2 (eth1)"; nothing for the primary, which is not one of several.
std::string SocketSet::Where(const Line& line) {
  const LinkStats& link = line.fixed;
  if (!line.data || link.address.empty()) return "";
  return ", between " + link.address + " and " + link.peer_address +
         (link.interface.empty() ? "" : " (" + link.interface + ")");
}

bool SocketSet::all_bye() const {
  return bye() && std::all_of(lines_.begin() + 1, lines_.end(), [](const auto& line) {
           return line->stream.bye || line->link.ended();
         });
}

Status SocketSet::LostData() const {
  for (size_t i = 1; i < lines_.size(); ++i) {
    const Line& line = *lines_[i];
    if (!line.link.ended() || line.stream.bye) continue;
    const std::string& reason = line.link.end_reason();
    return Unavailable((reason.empty() ? "a connection ended" : reason) + Where(line));
  }
  return OkStatus();
}

void SocketSet::Discard(size_t budget) {
  for (const auto& line : lines_) line->link.Discard(budget);
}

void SocketSet::Drain(bool confirm, Deadline deadline, const std::function<bool()>& others_done) {
  const auto pushed = [&](int i) {
    return !link(i).open() || (link(i).out().empty() && (!confirm || link(i).confirmed()));
  };
  Outbox::Callbacks ignored;
  Status broken;
  for (;;) {
    Write(kPollBytes, &ignored, &broken);
    const bool others = others_done();
    std::vector<pollfd> waiting;
    for (int i = 0; i < (dropped_data_ ? 1 : size()); ++i) {
      const int events = wants_write(i) ? POLLIN | POLLOUT : POLLIN;
      if (!pushed(i)) waiting.push_back({link(i).fd(), static_cast<short>(events), 0});
    }
    const bool done = !primary().open() || (others && waiting.empty());
    if (done || Clock::now() >= deadline) break;
    poll(waiting.data(), waiting.size(), std::min(MillisLeft(deadline), 1));
    Discard(kPollBytes);
  }
  Discard(kPollBytes);
}

void SocketSet::Close() {
  for (const auto& line : lines_) line->link.Close();
}

std::vector<LinkStats> SocketSet::Stats() const {
  std::vector<LinkStats> all;
  for (const auto& line : lines_) {
    if (!line->data) continue;
    all.push_back(line->fixed);
    all.back().bytes_written = line->link.bytes_written();
    ReadTcpInfo(line->link.fd(), &all.back());
  }
  return all;
}

std::vector<LinkStats> SocketSet::Written() const {
  std::vector<LinkStats> all;
  for (const auto& line : lines_) {
    if (!line->data) continue;
    all.push_back(line->fixed);
    all.back().bytes_written = line->link.bytes_written();
  }
  return all;
}

}  // namespace tf_ddl
