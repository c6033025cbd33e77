// Accepts connections and hands on those that prove the secret. Each does so on a thread of its
// own, so that a silent connection, or one that sends garbage, delays nobody.
#ifndef TF_DDL_RENDEZVOUS_LISTENER_H_
#define TF_DDL_RENDEZVOUS_LISTENER_H_

#include <unistd.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/fork_guard.h"
#include "base/socket.h"
#include "rendezvous/handshake.h"

namespace tf_ddl {

class Listener {
 public:
  // Runs on the connection's thread, which ends with it. Must return soon after stop() is set.
  using Handler = std::function<void(Fd socket, const Introduction& who)>;

  // `to` is the rank that clients must want to reach.
  Listener(Fd socket, std::string secret, Purpose purpose, int32_t to, Handler handler);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();  // stops

  // Closes the listening socket, ends all waiting and joins every thread. Idempotent; not from a
  // handler.
  void Stop();
  const StopSignal* stop() const { return &stop_; }

  // "3 connections from 10.0.0.7 were refused: ...", or nothing if there was none.
  std::string DescribeRefused() const;

 private:
  struct Connection {
    Fd socket;
    std::thread thread;
    std::atomic<bool> finished{false};
  };

  void Accept();
  void Serve(Fd socket);
  void Reap(bool all);

  Fd socket_;
  ForkGuard guard_;
  const pid_t owner_ = getpid();
  const std::string secret_;
  const Purpose purpose_;
  const int32_t to_;
  const Handler handler_;
  StopSignal stop_;
  std::atomic<int> unproved_{0};
  std::list<Connection> connections_;  // the accepting thread's; after its end Stop's
  mutable std::mutex mutex_;
  int refused_ = 0;                     // guarded by mutex_
  std::set<std::string> refused_from_;  // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_RENDEZVOUS_LISTENER_H_
