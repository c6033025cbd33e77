// TCP sockets whose every wait has a deadline and can be cut short.
#ifndef TF_DDL_BASE_SOCKET_H_
#define TF_DDL_BASE_SOCKET_H_

#include <sys/socket.h>

#include <cstddef>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "base/time.h"

namespace tf_ddl {

// Set once, by any thread; everything that waits on it ends.
class StopSignal {
 public:
  StopSignal();
  void Set();
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

struct HostPort {
  std::string host;
  int port = 0;
};

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  // "10.0.0.1", "fe80::1"; and with the port "10.0.0.1:80", "[fe80::1]:80".
  std::string Host() const;
  std::string HostAndPort() const;
};

// "host:port" or "[::1]:port".
Status ParseHostPort(const std::string& text, HostPort* out);

bool IsLoopback(const std::string& host);

// All addresses of a name (or of a numeric address), IPv4 first.
Status Resolve(const std::string& host, int port, std::vector<Address>* addresses);

// `host` empty: every address of the machine. `port` 0: any free one. kAlreadyExists: the port is
// in use; kInvalidArgument: the host is not this machine.
Status Listen(const std::string& host, int port, Fd* socket, int* bound_port);

// A connected, nonblocking socket without Nagle's delay. kUnavailable: nothing listens there.
Status Connect(const Address& address, Deadline deadline, const StopSignal* stop, Fd* socket);

// Where a connection is to leave this machine. Empty: as the routing table says.
struct LocalEnd {
  std::string address;    // to bind to
  std::string interface;  // to keep to, where the kernel lets this process say so
};

// The two halves of Connect: FinishConnect is for when the socket has become writable.
Status StartConnect(const Address& address, const LocalEnd& from, Fd* socket);
Status FinishConnect(int socket, const Address& address);

// Exactly `n` bytes. kUnavailable: the other side closed; kDeadlineExceeded; kCancelled: stopped.
// `stop` may be null.
Status ReadAll(int socket, void* data, size_t n, Deadline deadline, const StopSignal* stop);
Status WriteAll(int socket, const void* data, size_t n, Deadline deadline, const StopSignal* stop);

// Waits for `events` (poll(2)) on `fd`; fd -1 just waits. kDeadlineExceeded, kCancelled.
Status WaitFor(int fd, short events, Deadline deadline, const StopSignal* stop);

Address LocalAddress(int socket);
Address RemoteAddress(int socket);
// The address of this machine from which packets to `address` would leave; "" if there is no way.
std::string LocalAddressTowards(const Address& address);

void SetNoDelay(int socket);
// A host that has vanished without a word is noticed after about `seconds`, at least 2.
void SetKeepAlive(int socket, double seconds);
// The kernel takes no more than about `bytes` beyond what is already on its way. (The sizes of its
// buffers are left to it: it knows the round trip.)
void SetUnsentLimit(int socket, int bytes);
// What is sent leaves through `interface`, where the kernel lets this process say so.
void KeepToInterface(int socket, const std::string& interface);

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_SOCKET_H_
