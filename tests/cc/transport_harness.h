// What the transport tests share: meshes of every kind, sinks that check what they get, and a node
// that drives one rank's pairs.
#ifndef TF_DDL_TESTS_CC_TRANSPORT_HARNESS_H_
#define TF_DDL_TESTS_CC_TRANSPORT_HARNESS_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/socket.h"
#include "base/time.h"
#include "transport/mesh.h"
#include "transport/pair.h"
#include "transport/remote_reader.h"
#include "transport/segment.h"
#include "transport/stream_pair.h"
#include "values.h"

namespace tf_ddl {

enum class Kind {
  kMemory,
  kLoopbackRing,
  kTinyRing,
  kTinyRingPull,
  kCma,
  kShm,
  kTcp,
  kSockets,
  kRails
};

inline const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kMemory:
      return "Memory";
    case Kind::kLoopbackRing:
      return "LoopbackRing";
    case Kind::kTinyRing:
      return "TinyRing";
    case Kind::kTinyRingPull:
      return "TinyRingPull";
    case Kind::kCma:
      return "Cma";
    case Kind::kShm:
      return "Shm";
    case Kind::kTcp:
      return "Tcp";
    case Kind::kSockets:
      return "Sockets";
    case Kind::kRails:
      return "Rails";
  }
  return "";
}

constexpr const char* kSecret = "the secret of this test";

// A port that was free a moment ago, and which nobody is given who does not ask for it: those are
// from 32768 on.
inline int FreePort() {
  static std::atomic<int> next{getpid()};
  for (int tries = 0; tries < 1000; ++tries) {
    Fd socket;
    int port = 0;
    if (Listen("127.0.0.1", 10000 + next++ % 20000, &socket, &port).ok()) return port;
  }
  ADD_FAILURE() << "no port is free";
  return 0;
}

inline JobConfig Config(int rank, int size, int port) {
  JobConfig config;
  config.rank = rank;
  config.size = size;
  config.rendezvous = "127.0.0.1:" + std::to_string(port);
  config.secret = kSecret;
  config.join_timeout = 20.0;
  return config;
}

// ConnectMesh of several ranks at once, each on a thread of this process.
inline std::vector<Status> ConnectAll(const std::vector<JobConfig>& configs,
                                      std::vector<Mesh>* meshes) {
  std::vector<Status> statuses(configs.size());
  meshes->clear();
  meshes->resize(configs.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < configs.size(); ++i) {
    threads.emplace_back([&, i] { statuses[i] = ConnectMesh(configs[i], &(*meshes)[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  return statuses;
}

// Two ranks over rings so small that every frame wraps around.
inline std::vector<Mesh> TinyRingMeshes(bool pull) {
  int sockets[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
  std::shared_ptr<Segment> segment;
  EXPECT_TRUE(Segment::CreatePrivate(256, &segment).ok());
  std::unique_ptr<RemoteReader> readers[2];
  if (pull) NewMemoryReaders(readers);
  std::vector<Mesh> meshes(2);
  for (int rank = 0; rank < 2; ++rank) {
    PairParts parts;
    parts.rank = rank;
    parts.peer = 1 - rank;
    parts.peer_name = "rank " + std::to_string(1 - rank);
    parts.transport = "shm";
    parts.same_host = true;
    parts.socket = Fd(sockets[rank]);
    parts.segment = segment;
    parts.side = rank;
    parts.reader = std::move(readers[rank]);
    meshes[rank].pairs.resize(2);
    meshes[rank].pairs[1 - rank] = NewStreamPair(std::move(parts));
  }
  return meshes;
}

// The two ends of a TCP connection between `address` (of loopback) and itself.
inline std::pair<Fd, Fd> TcpEnds(const std::string& address) {
  Fd listener, one;
  int port = 0;
  std::vector<Address> addresses;
  EXPECT_TRUE(Listen(address, 0, &listener, &port).ok());
  EXPECT_TRUE(Resolve(address, port, &addresses).ok());
  EXPECT_TRUE(StartConnect(addresses[0], {address, "lo"}, &one).ok());
  EXPECT_TRUE(WaitFor(one.get(), POLLOUT, DeadlineIn(5), nullptr).ok());
  EXPECT_TRUE(FinishConnect(one.get(), addresses[0]).ok());
  Fd other(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  SetNoDelay(other.get());
  return {std::move(one), std::move(other)};
}

// Two ranks that stand for two hosts with `rails` networks, 127.0.0.1, 127.0.0.2, ..., and
// `sockets` connections on each.
inline std::vector<Mesh> RailMeshes(int rails, int sockets) {
  PairParts parts[2];
  std::pair<Fd, Fd> primary = TcpEnds("127.0.0.1");
  for (int rank = 0; rank < 2; ++rank) {
    parts[rank].rank = rank;
    parts[rank].peer = 1 - rank;
    parts[rank].peer_name = "rank " + std::to_string(1 - rank) + " (host h, pid 1)";
    parts[rank].transport = "tcp";
    parts[rank].socket = std::move(rank == 0 ? primary.first : primary.second);
    parts[rank].rails = rails;
  }
  for (int i = 0; i < rails * sockets; ++i) {
    std::pair<Fd, Fd> ends = TcpEnds("127.0.0." + std::to_string(i / sockets + 1));
    parts[0].data.push_back({std::move(ends.first), i / sockets, "a" + std::to_string(i)});
    parts[1].data.push_back({std::move(ends.second), i / sockets, "b" + std::to_string(i)});
  }
  std::vector<Mesh> meshes(2);
  for (int rank = 0; rank < 2; ++rank) {
    meshes[rank].pairs.resize(2);
    meshes[rank].pairs[1 - rank] = NewStreamPair(std::move(parts[rank]));
  }
  return meshes;
}

// The meshes of `size` ranks, all in this process.
inline std::vector<Mesh> MakeMeshes(Kind kind, int size) {
  std::vector<Mesh> meshes;
  if (kind == Kind::kTinyRing || kind == Kind::kTinyRingPull) {
    return TinyRingMeshes(kind == Kind::kTinyRingPull);
  }
  if (kind == Kind::kMemory || kind == Kind::kLoopbackRing) {
    EXPECT_TRUE(LoopbackMeshes(size, kind == Kind::kMemory, &meshes).ok());
    return meshes;
  }
  if (kind == Kind::kRails) return RailMeshes(2, 2);
  const int port = FreePort();
  std::vector<JobConfig> configs;
  for (int rank = 0; rank < size; ++rank) {
    configs.push_back(Config(rank, size, port));
    configs.back().use_shared_memory = kind != Kind::kTcp && kind != Kind::kSockets;
    configs.back().use_cma = kind == Kind::kCma;
    configs.back().sockets_per_rail = kind == Kind::kSockets ? 3 : 1;
  }
  for (const Status& status : ConnectAll(configs, &meshes)) {
    EXPECT_TRUE(status.ok()) << status.message();
    if (!status.ok()) return {};
  }
  return meshes;
}

// Cuts memory into pieces whose sizes go round through `cuts`.
inline std::vector<iovec> Cut(uint8_t* data, size_t n, const std::vector<size_t>& cuts) {
  std::vector<iovec> pieces;
  size_t at = 0;
  for (size_t i = 0; at < n; ++i) {
    const size_t part = std::min(cuts[i % cuts.size()], n - at);
    pieces.push_back({data + at, part});
    at += part;
  }
  return pieces;
}

// Takes a message straight into pieces of its memory.
class CopySink : public Sink {
 public:
  explicit CopySink(size_t n, std::vector<size_t> cuts = {SIZE_MAX})
      : data(n), pieces_(Cut(data.data(), n, cuts)) {
    size_t at = 0;
    for (const iovec& piece : pieces_) {
      begins_.push_back(at);
      at += piece.iov_len;
    }
  }
  size_t bytes() const override { return data.size(); }
  void Windows(size_t offset, size_t max_bytes, std::vector<iovec>* out) override {
    const auto after = std::upper_bound(begins_.begin(), begins_.end(), offset);
    size_t i = static_cast<size_t>(after - begins_.begin()) - 1;
    for (offset -= begins_[i]; max_bytes > 0; ++i) {
      const size_t part = std::min(pieces_[i].iov_len - offset, max_bytes);
      out->push_back({static_cast<uint8_t*>(pieces_[i].iov_base) + offset, part});
      max_bytes -= part;
      offset = 0;
    }
  }
  void Consume(size_t, const uint8_t*, size_t) override { ADD_FAILURE() << "has windows"; }

  std::vector<uint8_t> data;

 private:
  const std::vector<iovec> pieces_;
  std::vector<size_t> begins_;  // message byte at which each piece begins
};

// Adds a message, byte by byte, to what is there, as a reduction does.
class AddSink : public Sink {
 public:
  explicit AddSink(size_t n) : data(n, 0) {}
  size_t bytes() const override { return data.size(); }
  void Windows(size_t, size_t, std::vector<iovec>*) override {}
  void Consume(size_t offset, const uint8_t* from, size_t n) override {
    EXPECT_EQ(offset, next_);
    EXPECT_EQ(offset % 16, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(from) % 16, 0u);
    EXPECT_TRUE(n % 16 == 0 || offset + n == data.size()) << offset << " " << n;
    next_ = offset + n;
    // Copied first: so a sanitizer sees who reads this memory.
    if (taken_.size() < n) taken_.resize(n);
    if (n > 0) std::memcpy(taken_.data(), from, n);
    values::AddBytes(data.data() + offset, taken_.data(), n);
  }

  std::vector<uint8_t> data;

 private:
  size_t next_ = 0;
  std::vector<uint8_t> taken_;
};

// One rank: drives its pairs and records what happens.
class Node : public PairEvents {
 public:
  struct Control {
    int peer;
    ControlKind kind;
    std::string payload;
  };

  explicit Node(Mesh mesh) : mesh_(std::move(mesh)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    for (auto& pair : mesh_.pairs) {
      if (pair == nullptr) continue;
      pair->set_events(this);
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<uint32_t>(pair->peer());
      for (int i = 0; i < pair->num_sockets(); ++i) {
        EXPECT_EQ(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pair->fd(i), &event), 0);
      }
    }
  }

  Pair& to(int peer) { return *mesh_.pairs[peer]; }
  Mesh& mesh() { return mesh_; }

  bool Poll(bool check_socket = true) {
    bool moved = false;
    for (auto& pair : mesh_.pairs) {
      if (pair != nullptr) moved |= pair->Poll(check_socket);
    }
    return moved;
  }

  // Sleeps as a communicator does: only when every pair agrees, and on its sockets.
  void Sleep(int millis) {
    bool may_sleep = true;
    for (auto& pair : mesh_.pairs) {
      if (pair == nullptr) continue;
      for (int i = 0; i < pair->num_sockets(); ++i) {
        epoll_event event = {};
        event.events = EPOLLIN | (pair->wants_write(i) ? EPOLLOUT : 0u);
        if (pair->fd(i) >= 0) epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, pair->fd(i), &event);
      }
      if (!pair->PrepareSleep()) may_sleep = false;
    }
    if (may_sleep) {
      epoll_event events[16];
      epoll_wait(epoll_.get(), events, 16, millis);
    }
    for (auto& pair : mesh_.pairs) {
      if (pair != nullptr) pair->CancelSleep();
    }
  }

  // Runs until `done` or until `seconds` have passed; false in the latter case.
  bool Run(const std::function<bool()>& done, double seconds = 20.0) {
    const Deadline deadline = DeadlineIn(seconds);
    while (!done()) {
      if (Clock::now() >= deadline) return false;
      if (!Poll()) Sleep(std::min(MillisLeft(deadline), 1000));
    }
    return true;
  }

  void OnControl(int peer, ControlKind kind, std::string payload) override {
    controls.push_back({peer, kind, std::move(payload)});
    log.push_back("control");
  }
  void OnBye(int peer) override {
    byes.push_back(peer);
    log.push_back("bye");
  }
  void OnFailure(int peer, const Status& status) override {
    failures.emplace_back(peer, status);
    log.push_back("failure");
  }

  std::vector<Control> controls;
  std::vector<int> byes;
  std::vector<std::pair<int, Status>> failures;
  std::vector<std::string> log;

 private:
  Mesh mesh_;
  Fd epoll_;
};

// Drives two ranks from one thread until `done`.
inline bool RunBoth(Node* a, Node* b, const std::function<bool()>& done, double seconds = 20.0) {
  const Deadline deadline = DeadlineIn(seconds);
  while (!done()) {
    if (Clock::now() >= deadline) return false;
    const bool moved = a->Poll();
    if (!b->Poll() && !moved) usleep(50);
  }
  return true;
}

}  // namespace tf_ddl

#endif  // TF_DDL_TESTS_CC_TRANSPORT_HARNESS_H_
