#include "base/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

namespace tf_ddl {
namespace {

constexpr int kBacklog = 1024;

std::string ErrorText(int error) { return std::generic_category().message(error); }

int SetOption(int socket, int level, int name, int value) {
  return setsockopt(socket, level, name, &value, sizeof value);
}

}  // namespace

StopSignal::StopSignal() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void StopSignal::Set() {
  const uint64_t one = 1;
  const ssize_t n = write(fd_.get(), &one, sizeof one);
  (void)n;  // it fails only when it is set already
}

std::string Address::Host() const {
  char text[NI_MAXHOST] = "?";
  getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, text, sizeof text, nullptr, 0,
              NI_NUMERICHOST);
  constexpr const char* kMapped = "::ffff:";  // IPv4 seen through an IPv6 socket
  const bool mapped = std::strncmp(text, kMapped, std::strlen(kMapped)) == 0;
  return mapped ? text + std::strlen(kMapped) : text;
}

std::string Address::HostAndPort() const {
  char port[NI_MAXSERV] = "?";
  getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, nullptr, 0, port, sizeof port,
              NI_NUMERICSERV);
  const std::string host = Host();
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

Status ParseHostPort(const std::string& text, HostPort* out) {
  const Status wrong =
      InvalidArgument("'" + text + "' is not host:port, like node1:29400 or 10.0.0.1:29400");
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong;
  std::string host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return wrong;
  }
  int port = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end || port < 1 || port > 65535 || host.empty()) {
    return wrong;
  }
  *out = {host, port};
  return OkStatus();
}

bool IsLoopback(const std::string& host) {
  return host.compare(0, 4, "127.") == 0 || host == "::1" || host == "localhost";
}

Status Resolve(const std::string& host, int port, std::vector<Address>* addresses) {
  addresses->clear();
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (host.empty() ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(),
                                &hints, &list);
  if (error != 0) {
    return InvalidArgument("the host name '" + host + "' is not known here (" +
                           gai_strerror(error) + ")");
  }
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    Address address;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.size = info->ai_addrlen;
    addresses->push_back(address);
  }
  freeaddrinfo(list);
  std::stable_partition(addresses->begin(), addresses->end(),
                        [](const Address& a) { return a.storage.ss_family == AF_INET; });
  return OkStatus();
}

namespace {

Status ListenOn(const Address& address, bool dual_stack, Fd* socket, int* bound_port) {
  Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus("socket", errno);
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.storage.ss_family == AF_INET6) {
    SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, dual_stack ? 0 : 1);
  }
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    const std::string where = address.HostAndPort();
    if (error == EADDRINUSE) return AlreadyExists("the address " + where + " is in use");
    if (error == EADDRNOTAVAIL) {
      return InvalidArgument("the address " + where + " is not one of this machine");
    }
    return ErrnoStatus("listening on " + where, error);
  }
  const Address bound = LocalAddress(fd.get());
  *bound_port = ntohs(bound.storage.ss_family == AF_INET6
                          ? reinterpret_cast<const sockaddr_in6*>(&bound.storage)->sin6_port
                          : reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
  *socket = std::move(fd);
  return OkStatus();
}

}  // namespace

Status Listen(const std::string& host, int port, Fd* socket, int* bound_port) {
  std::vector<Address> addresses;
  DDL_RETURN_IF_ERROR(Resolve(host, port, &addresses));
  if (host.empty()) {
    // One IPv6 socket serves both families where the kernel has IPv6.
    std::reverse(addresses.begin(), addresses.end());
  }
  Status status = Internal("no address to listen on");
  for (const Address& address : addresses) {
    status = ListenOn(address, host.empty(), socket, bound_port);
    if (status.ok() || status.code() == Code::kAlreadyExists) break;
  }
  return status;
}

Status WaitFor(int fd, short events, Deadline deadline, const StopSignal* stop) {
  for (;;) {
    pollfd fds[2] = {{fd, events, 0}, {stop != nullptr ? stop->fd() : -1, POLLIN, 0}};
    const int n = poll(fds, 2, MillisLeft(deadline));
    if (n < 0 && errno != EINTR) return ErrnoStatus("poll", errno);
    if (fds[1].revents != 0 && n > 0) return Cancelled("stopped while waiting");
    if (fds[0].revents != 0 && n > 0) return OkStatus();
    if (Clock::now() >= deadline) return DeadlineExceeded("no answer in time");
  }
}

Status StartConnect(const Address& address, const LocalEnd& from, Fd* socket) {
  const std::string where = address.HostAndPort();
  Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus("socket", errno);
  if (!from.address.empty()) {
    std::vector<Address> own;
    DDL_RETURN_IF_ERROR(Resolve(from.address, 0, &own));
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&own[0].storage), own[0].size) != 0) {
      return Unavailable(where + " from " + from.address + ": " + ErrorText(errno));
    }
  }
  KeepToInterface(fd.get(), from.interface);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 &&
      errno != EINPROGRESS && errno != EINTR) {
    return Unavailable(where + ": " + ErrorText(errno));
  }
  *socket = std::move(fd);
  return OkStatus();
}

Status FinishConnect(int socket, const Address& address) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  // A socket that connects to its own ephemeral port when nobody listens there.
  if (error == 0 && LocalAddress(socket).HostAndPort() == RemoteAddress(socket).HostAndPort()) {
    error = ECONNREFUSED;
  }
  if (error != 0) return Unavailable(address.HostAndPort() + ": " + ErrorText(error));
  SetNoDelay(socket);
  return OkStatus();
}

Status Connect(const Address& address, Deadline deadline, const StopSignal* stop, Fd* socket) {
  Fd fd;
  DDL_RETURN_IF_ERROR(StartConnect(address, LocalEnd(), &fd));
  const Status waited = WaitFor(fd.get(), POLLOUT, deadline, stop);
  if (!waited.ok()) return waited.Prefixed(address.HostAndPort());
  DDL_RETURN_IF_ERROR(FinishConnect(fd.get(), address));
  *socket = std::move(fd);
  return OkStatus();
}

Status ReadAll(int socket, void* data, size_t n, Deadline deadline, const StopSignal* stop) {
  auto* bytes = static_cast<uint8_t*>(data);
  while (n > 0) {
    const ssize_t got = recv(socket, bytes, n, MSG_DONTWAIT);
    if (got > 0) {
      bytes += got;
      n -= static_cast<size_t>(got);
    } else if (got == 0) {
      return Unavailable("the other side closed the connection");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      DDL_RETURN_IF_ERROR(WaitFor(socket, POLLIN, deadline, stop));
    } else if (errno != EINTR) {
      return Unavailable("reading failed: " + ErrorText(errno));
    }
  }
  return OkStatus();
}

Status WriteAll(int socket, const void* data, size_t n, Deadline deadline, const StopSignal* stop) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (n > 0) {
    const ssize_t sent = send(socket, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes += sent;
      n -= static_cast<size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      DDL_RETURN_IF_ERROR(WaitFor(socket, POLLOUT, deadline, stop));
    } else if (errno != EINTR) {
      return Unavailable("writing failed: " + ErrorText(errno));
    }
  }
  return OkStatus();
}

Address LocalAddress(int socket) {
  Address address;
  address.size = sizeof address.storage;
  getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

Address RemoteAddress(int socket) {
  Address address;
  address.size = sizeof address.storage;
  getpeername(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

std::string LocalAddressTowards(const Address& address) {
  // Connecting a datagram socket sends nothing; it only asks the routing table.
  Fd fd(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    return "";
  }
  return LocalAddress(fd.get()).Host();
}

void SetNoDelay(int socket) { SetOption(socket, IPPROTO_TCP, TCP_NODELAY, 1); }

void SetKeepAlive(int socket, double seconds) {
  constexpr int kProbes = 4;
  const auto share = [&](double parts) { return std::max(1, static_cast<int>(seconds / parts)); };
  SetOption(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(socket, IPPROTO_TCP, TCP_KEEPIDLE, share(6));
  SetOption(socket, IPPROTO_TCP, TCP_KEEPINTVL, share(12));
  SetOption(socket, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  SetOption(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(seconds * 1000));
}

void SetUnsentLimit(int socket, int bytes) {
  SetOption(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes);
}

void KeepToInterface(int socket, const std::string& interface) {
  if (interface.empty()) return;
  setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
             static_cast<socklen_t>(interface.size()));
}

}  // namespace tf_ddl
