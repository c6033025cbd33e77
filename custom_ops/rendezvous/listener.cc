#include "rendezvous/listener.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace tf_ddl {
namespace {

// Connections that have proved nothing yet; more wait in the kernel's queue.
constexpr int kMaxUnproved = 256;
constexpr size_t kMaxRememberedAddresses = 16;

}  // namespace

Listener::Listener(Fd socket, std::string secret, Purpose purpose, int32_t to, Handler handler)
    : socket_(std::move(socket)),
      guard_(socket_.get()),
      secret_(std::move(secret)),
      purpose_(purpose),
      to_(to),
      handler_(std::move(handler)),
      acceptor_([this] { Accept(); }) {}

Listener::~Listener() { Stop(); }

void Listener::Stop() {
  if (getpid() != owner_) {  // a forked child's copy: the threads are its parent's
    if (acceptor_.joinable()) acceptor_.detach();
    for (Connection& connection : connections_) connection.thread.detach();
    connections_.clear();
    return;
  }
  stop_.Set();
  if (acceptor_.joinable()) acceptor_.join();
  Reap(/*all=*/true);
  guard_.Release();
  socket_.Reset();
}

void Listener::Reap(bool all) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (all || it->finished.load()) {
      it->thread.join();
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
}

void Listener::Accept() {
  for (;;) {
    const bool full = unproved_.load() >= kMaxUnproved;
    // While full, look again soon: a connection has at most kHandshakeSeconds.
    const Status waited =
        WaitFor(full ? -1 : socket_.get(), POLLIN, DeadlineIn(full ? 0.02 : 3600.0), &stop_);
    if (waited.code() == Code::kCancelled) return;
    Reap(/*all=*/false);
    if (!waited.ok()) continue;
    Fd socket(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      // Out of descriptors or memory: others may free some.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        if (WaitFor(-1, 0, DeadlineIn(0.05), &stop_).code() == Code::kCancelled) return;
      }
      continue;
    }
    SetNoDelay(socket.get());
    connections_.emplace_back();
    Connection& connection = connections_.back();
    connection.socket = std::move(socket);
    ++unproved_;
    try {
      connection.thread = std::thread([this, &connection] {
        Serve(std::move(connection.socket));
        connection.finished.store(true);
      });
    } catch (const std::system_error& error) {
      DDL_LOG(kWarning) << "no thread for a new connection: " << error.what();
      --unproved_;
      connections_.pop_back();
    }
  }
}

void Listener::Serve(Fd socket) {
  const std::string from = RemoteAddress(socket.get()).Host();
  Introduction who;
  const Status status = ProveAsServer(socket.get(), secret_, purpose_, to_,
                                      DeadlineIn(kHandshakeSeconds), &stop_, &who);
  --unproved_;
  if (status.ok()) {
    handler_(std::move(socket), who);
    return;
  }
  if (status.code() != Code::kPermissionDenied) return;
  std::lock_guard<std::mutex> lock(mutex_);
  ++refused_;
  if (refused_from_.size() < kMaxRememberedAddresses && refused_from_.insert(from).second) {
    DDL_LOG(kWarning) << "refused a connection from " << from << ": it does not know DDL_SECRET";
  }
}

std::string Listener::DescribeRefused() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (refused_ == 0) return "";
  std::string text = std::to_string(refused_) + (refused_ == 1 ? " connection" : " connections");
  const char* separator = " from ";
  for (const std::string& address : refused_from_) {
    text += separator + address;
    separator = ", ";
  }
  return text + (refused_ == 1 ? " was" : " were") +
         " refused for a wrong secret: is DDL_SECRET the same everywhere?";
}

}  // namespace tf_ddl
