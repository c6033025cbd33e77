#include "rendezvous/store.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/socket.h"
#include "rendezvous/handshake.h"
#include "rendezvous/protocol.h"
#include "time_limits.h"

namespace tf_ddl {
namespace {

constexpr const char* kSecret = "a secret";

bool Says(const Status& status, const std::string& text) {
  return status.message().find(text) != std::string::npos;
}

std::unique_ptr<Store> NewStore(int size, double join_timeout = 20.0) {
  StoreOptions options;
  options.host = "127.0.0.1";
  options.size = size;
  options.secret = kSecret;
  options.join_timeout = join_timeout;
  std::unique_ptr<Store> store;
  EXPECT_TRUE(Store::Create(options, &store).ok());
  return store;
}

JoinOptions ConfigFor(const Store& store, int rank, int size) {
  JoinOptions config;
  config.rank = rank;
  config.size = size;
  config.rendezvous = "127.0.0.1:" + std::to_string(store.port());
  config.secret = kSecret;
  config.join_timeout = 20.0;
  return config;
}

struct Joined {
  Status status;
  std::vector<std::string> blobs;
  std::string address;
};

Joined Join(const JoinOptions& config) {
  Joined joined;
  joined.status =
      JoinStore(config, "blob of " + std::to_string(config.rank), &joined.blobs, &joined.address);
  return joined;
}

std::vector<Joined> JoinAll(const std::vector<JoinOptions>& configs) {
  std::vector<Joined> results(configs.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < configs.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = Join(configs[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

// A connection that has proved the secret and asked to join, without waiting for the answer.
Fd BareJoin(const Store& store, int rank, int size) {
  std::vector<Address> addresses;
  EXPECT_TRUE(Resolve("127.0.0.1", store.port(), &addresses).ok());
  Fd socket;
  EXPECT_TRUE(Connect(addresses[0], DeadlineIn(2), nullptr, &socket).ok());
  EXPECT_TRUE(
      ProveAsClient(socket.get(), kSecret, {Purpose::kStore, rank, 0}, DeadlineIn(2), nullptr)
          .ok());
  JoinRequest request;
  request.size = size;
  request.pid = 4711;
  request.host_bytes = 5;
  EXPECT_TRUE(WriteAll(socket.get(), &request, sizeof request, DeadlineIn(2), nullptr).ok());
  EXPECT_TRUE(WriteAll(socket.get(), "host1", 5, DeadlineIn(2), nullptr).ok());
  usleep(300000);
  return socket;
}

TEST(StoreTest, EveryRankGetsEverybodysBlob) {
  for (const int size : {1, 2, 3, 9}) {
    auto store = NewStore(size);
    std::vector<JoinOptions> configs;
    for (int rank = size - 1; rank >= 0; --rank) configs.push_back(ConfigFor(*store, rank, size));
    for (const Joined& joined : JoinAll(configs)) {
      ASSERT_TRUE(joined.status.ok()) << joined.status.message();
      ASSERT_EQ(joined.blobs.size(), static_cast<size_t>(size));
      EXPECT_EQ(joined.address, "127.0.0.1");
      for (int rank = 0; rank < size; ++rank) {
        EXPECT_EQ(joined.blobs[rank], "blob of " + std::to_string(rank));
      }
    }
  }
}

// Joins and then exchanges once more, unless `leave` says that the rank goes away instead.
std::vector<Joined> JoinAndExchange(const Store& store, int size, int leave, double seconds) {
  std::vector<Joined> results(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const JoinOptions config = ConfigFor(store, rank, size);
      Joined& joined = results[rank];
      Fd connection;
      joined.status = JoinStore(config, "first", &joined.blobs, &joined.address, &connection);
      if (!joined.status.ok() || rank == leave) return;
      joined.status = ExchangeInStore(connection.get(), config, std::string(rank, 'x'),
                                      DeadlineIn(seconds), &joined.blobs);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

TEST(StoreTest, RanksExchangeOnceMore) {
  auto store = NewStore(5);
  for (const Joined& joined : JoinAndExchange(*store, 5, -1, 5)) {
    ASSERT_TRUE(joined.status.ok()) << joined.status.message();
    ASSERT_EQ(joined.blobs.size(), 5u);
    for (int rank = 0; rank < 5; ++rank) EXPECT_EQ(joined.blobs[rank], std::string(rank, 'x'));
  }
}

TEST(StoreTest, ARankThatLeavesInsteadIsNamedAtOnce) {
  auto store = NewStore(3);
  const Deadline start = Clock::now();
  const auto results = JoinAndExchange(*store, 3, 1, 10);
  EXPECT_LT(SecondsSince(start), Limit(3));
  for (const int rank : {0, 2}) {
    EXPECT_EQ(results[rank].status.code(), Code::kUnavailable);
    EXPECT_TRUE(Says(results[rank].status, "rank 1 (host ")) << results[rank].status.message();
    EXPECT_TRUE(Says(results[rank].status, "left while the ranks connected"));
  }
}

TEST(StoreTest, AStoreThatEndsDoesNotWaitForAnExchange) {
  auto store = NewStore(2);
  std::vector<Fd> connections(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      Joined joined;
      const JoinOptions config = ConfigFor(*store, rank, 2);
      EXPECT_TRUE(JoinStore(config, "", &joined.blobs, &joined.address, &connections[rank]).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const JoinOptions config = ConfigFor(*store, 0, 2);
  std::thread ender([&] {
    usleep(100000);
    store.reset();
  });
  std::vector<std::string> blobs;
  EXPECT_EQ(ExchangeInStore(connections[0].get(), config, "", DeadlineIn(5), &blobs).code(),
            Code::kUnavailable);
  ender.join();
}

TEST(StoreTest, ARankThatDoesNotComeIsNamedToEverybody) {
  auto store = NewStore(4, 1.5);
  const Deadline start = Clock::now();
  const auto results = JoinAll({ConfigFor(*store, 0, 4), ConfigFor(*store, 2, 4)});
  EXPECT_LT(SecondsSince(start), Limit(4));
  for (const Joined& joined : results) {
    EXPECT_EQ(joined.status.code(), Code::kDeadlineExceeded);
    EXPECT_TRUE(Says(joined.status, "ranks 1, 3 of 4 did not come within 1.5 s"))
        << joined.status.message();
    EXPECT_TRUE(Says(joined.status, "rank 2 (host ")) << joined.status.message();
  }
  // Too late, but told why.
  EXPECT_EQ(Join(ConfigFor(*store, 1, 4)).status.code(), Code::kDeadlineExceeded);
}

TEST(StoreTest, WrongSecretIsRefusedAndMentionedToThoseWhoWait) {
  auto store = NewStore(2, 2.0);
  JoinOptions stranger = ConfigFor(*store, 1, 2);
  stranger.secret = "another secret";
  const auto results = JoinAll({ConfigFor(*store, 0, 2), stranger});
  EXPECT_EQ(results[1].status.code(), Code::kPermissionDenied);
  EXPECT_TRUE(Says(results[1].status, "DDL_SECRET")) << results[1].status.message();
  EXPECT_EQ(results[0].status.code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(Says(results[0].status, "1 connection from 127.0.0.1 was refused for a wrong secret"))
      << results[0].status.message();
}

TEST(StoreTest, ARankThatComesTwiceIsRefused) {
  auto store = NewStore(2);
  Fd first = BareJoin(*store, 1, 2);
  const Status twice = Join(ConfigFor(*store, 1, 2)).status;
  EXPECT_EQ(twice.code(), Code::kAlreadyExists);
  EXPECT_TRUE(Says(twice, "rank 1 already joined from host host1 pid 4711")) << twice.message();
  // Once the first has gone, its place is free.
  first.Reset();
  usleep(500000);
  for (const Joined& joined : JoinAll({ConfigFor(*store, 0, 2), ConfigFor(*store, 1, 2)})) {
    EXPECT_TRUE(joined.status.ok()) << joined.status.message();
  }
  // And when the job is complete, nobody else is let in.
  EXPECT_EQ(Join(ConfigFor(*store, 1, 2)).status.code(), Code::kAlreadyExists);
}

TEST(StoreTest, AWrongSizeOrRankIsRefused) {
  auto store = NewStore(2);
  const Status size = Join(ConfigFor(*store, 1, 3)).status;
  EXPECT_EQ(size.code(), Code::kInvalidArgument);
  EXPECT_TRUE(Says(size, "a job of 3 ranks, but this job has 2")) << size.message();
  const Status rank = Join(ConfigFor(*store, 2, 2)).status;
  EXPECT_EQ(rank.code(), Code::kInvalidArgument);
  EXPECT_TRUE(Says(rank, "rank 2 on host ")) << rank.message();
}

TEST(StoreTest, GarbageAndSilenceHoldUpNobody) {
  auto store = NewStore(2);
  std::vector<Address> addresses;
  ASSERT_TRUE(Resolve("127.0.0.1", store->port(), &addresses).ok());
  std::vector<Fd> connections;
  for (int i = 0; i < 60; ++i) {
    Fd socket;
    ASSERT_TRUE(Connect(addresses[0], DeadlineIn(2), nullptr, &socket).ok());
    if (i % 3 == 1) {
      const std::string garbage = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(4000, '\xff');
      WriteAll(socket.get(), garbage.data(), garbage.size(), DeadlineIn(1), nullptr);
    }
    if (i % 3 != 2) connections.push_back(std::move(socket));
  }
  const Deadline start = Clock::now();
  for (const Joined& joined : JoinAll({ConfigFor(*store, 0, 2), ConfigFor(*store, 1, 2)})) {
    EXPECT_TRUE(joined.status.ok()) << joined.status.message();
  }
  EXPECT_LT(SecondsSince(start), Limit(2));
  const Deadline stopping = Clock::now();
  store.reset();
  EXPECT_LT(SecondsSince(stopping), Limit(1));
}

TEST(StoreTest, GarbageAfterTheProofHurtsOnlyItself) {
  auto store = NewStore(2);
  for (int i = 0; i < 3; ++i) {
    std::vector<Address> addresses;
    ASSERT_TRUE(Resolve("127.0.0.1", store->port(), &addresses).ok());
    Fd socket;
    ASSERT_TRUE(Connect(addresses[0], DeadlineIn(2), nullptr, &socket).ok());
    ASSERT_TRUE(
        ProveAsClient(socket.get(), kSecret, {Purpose::kStore, i - 1, 0}, DeadlineIn(2), nullptr)
            .ok());
    const std::string garbage(100, '\xff');
    WriteAll(socket.get(), garbage.data(), garbage.size(), DeadlineIn(1), nullptr);
    char byte;
    EXPECT_FALSE(ReadAll(socket.get(), &byte, 1, DeadlineIn(2), nullptr).ok());
  }
  for (const Joined& joined : JoinAll({ConfigFor(*store, 0, 2), ConfigFor(*store, 1, 2)})) {
    EXPECT_TRUE(joined.status.ok()) << joined.status.message();
  }
}

TEST(StoreTest, APortInUseIsAnErrorThatSaysWhatToDo) {
  auto store = NewStore(2);
  StoreOptions options;
  options.host = "127.0.0.1";
  options.port = store->port();
  options.size = 2;
  options.secret = kSecret;
  std::unique_ptr<Store> second;
  const Status status = Store::Create(options, &second);
  EXPECT_EQ(status.code(), Code::kAlreadyExists);
  EXPECT_TRUE(Says(status, "port " + std::to_string(store->port()) +
                               " on 127.0.0.1 is in use: choose another DDL_RENDEZVOUS"))
      << status.message();
}

TEST(StoreTest, ClientsWaitForAStoreThatStartsLate) {
  int port = 0;
  {
    Fd socket;
    ASSERT_TRUE(Listen("127.0.0.1", 0, &socket, &port).ok());
  }
  JoinOptions config;
  config.rank = 0;
  config.size = 1;
  config.rendezvous = "127.0.0.1:" + std::to_string(port);
  config.secret = kSecret;
  Joined joined;
  std::thread client([&] { joined = Join(config); });
  usleep(200000);
  StoreOptions options;
  options.host = "127.0.0.1";
  options.port = port;
  options.size = 1;
  options.secret = kSecret;
  std::unique_ptr<Store> store;
  EXPECT_TRUE(Store::Create(options, &store).ok());
  client.join();
  EXPECT_TRUE(joined.status.ok()) << joined.status.message();
}

TEST(StoreTest, AStoreThatNeverStartsIsAnErrorInTime) {
  int port = 0;
  {
    Fd socket;
    ASSERT_TRUE(Listen("127.0.0.1", 0, &socket, &port).ok());
  }
  JoinOptions config;
  config.rank = 1;
  config.size = 2;
  config.rendezvous = "127.0.0.1:" + std::to_string(port);
  config.secret = kSecret;
  config.join_timeout = 0.3;
  const Deadline start = Clock::now();
  const Status status = Join(config).status;
  EXPECT_LT(SecondsSince(start), Limit(2));
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(Says(status, "rank 1 could not reach the store at " + config.rendezvous))
      << status.message();
}

TEST(StoreTest, WhatIsNoStoreIsSaid) {
  Fd listener;
  int port = 0;
  ASSERT_TRUE(Listen("127.0.0.1", 0, &listener, &port).ok());
  std::thread impostor([&] {
    if (!WaitFor(listener.get(), POLLIN, DeadlineIn(2), nullptr).ok()) return;
    Fd socket(accept(listener.get(), nullptr, nullptr));
    const std::string hello = "SSH-2.0-OpenSSH_9.2 and so on, longer than what is read";
    WriteAll(socket.get(), hello.data(), hello.size(), DeadlineIn(1), nullptr);
  });
  JoinOptions config;
  config.size = 2;
  config.rendezvous = "127.0.0.1:" + std::to_string(port);
  config.secret = kSecret;
  const Status status = Join(config).status;
  impostor.join();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_TRUE(Says(status, "not tf_ddl")) << status.message();
}

TEST(StoreTest, AStoreThatGoesAwayIsNoticed) {
  auto store = NewStore(2);
  Joined joined;
  const int port = store->port();
  std::thread client([&joined, config = ConfigFor(*store, 1, 2)] { joined = Join(config); });
  usleep(1000000);
  store.reset();
  client.join();
  EXPECT_EQ(joined.status.code(), Code::kUnavailable);
  EXPECT_TRUE(Says(joined.status, std::to_string(port))) << joined.status.message();
}

TEST(StoreTest, MalformedRendezvous) {
  JoinOptions config;
  config.size = 2;
  config.secret = kSecret;
  for (const char* text : {"", "nonsense", "host:99999"}) {
    config.rendezvous = text;
    const Status status = Join(config).status;
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_TRUE(Says(status, "DDL_RENDEZVOUS")) << status.message();
  }
}

}  // namespace
}  // namespace tf_ddl
