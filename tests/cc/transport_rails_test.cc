// What is special about pairs of several sockets: who carries what, and what the end of one means.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "time_limits.h"
#include "transport_harness.h"

namespace tf_ddl {
namespace {

constexpr int kRails = 2;
constexpr int kSockets = 2;

class RailsTest : public ::testing::Test {
 protected:
  RailsTest() {
    std::vector<Mesh> meshes = RailMeshes(kRails, kSockets);
    for (Mesh& mesh : meshes) nodes_.push_back(std::make_unique<Node>(std::move(mesh)));
  }
  Node& node(int rank) { return *nodes_[rank]; }
  Pair& pair(int rank) { return node(rank).to(1 - rank); }
  bool Both(const std::function<bool()>& done, double seconds = 20) {
    return RunBoth(nodes_[0].get(), nodes_[1].get(), done, seconds);
  }
  // Sends `count` messages of `n` bytes on `rail` from rank 0 to rank 1, and waits for them.
  void Transfer(int rail, int count, size_t n) {
    std::vector<uint8_t> message = Pattern(n, 1);
    std::vector<std::unique_ptr<CopySink>> sinks;
    int done = 0;
    for (int i = 0; i < count; ++i) {
      const Tag tag = {7, next_++, 0};
      sinks.push_back(std::make_unique<CopySink>(n));
      pair(1).Receive(tag, sinks.back().get(), [&] { ++done; });
      pair(0).Send(tag, rail, {{message.data(), n}}, [&] { ++done; });
    }
    ASSERT_TRUE(Both([&] { return done == 2 * count; }));
    for (const auto& sink : sinks) ASSERT_TRUE(sink->data == message);
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  uint64_t next_ = 0;
};

TEST_F(RailsTest, MessagesTravelOnTheRailTheyWereGivenAndShareItsSockets) {
  EXPECT_EQ(pair(0).rails(), kRails);
  EXPECT_EQ(pair(0).num_sockets(), 1 + kRails * kSockets);
  const size_t n = 1 << 20;
  Transfer(/*rail=*/1, /*count=*/8, n);
  const std::vector<LinkStats> links = pair(0).Links();
  ASSERT_EQ(links.size(), static_cast<size_t>(kRails * kSockets));
  for (const LinkStats& link : links) {
    SCOPED_TRACE(link.interface);
    EXPECT_EQ(link.address, "127.0.0." + std::to_string(link.rail + 1));
    EXPECT_EQ(link.peer_address, link.address);
    if (link.rail == 0) {
      EXPECT_EQ(link.bytes_written, 0u);
      EXPECT_EQ(link.busy_seconds, 0);
      continue;
    }
    EXPECT_GE(link.bytes_written, 3 * n);
    EXPECT_LE(link.bytes_written, 5 * n + 5 * 64);
    EXPECT_GE(link.busy_seconds, link.receiver_limited_seconds);
    EXPECT_GT(link.rtt_seconds, 0);
    EXPECT_GE(link.rtt_seconds, link.min_rtt_seconds);
  }
  // What the receiver's process has read, its host has long received, and soon confirms.
  const Deadline deadline = DeadlineIn(2);
  uint64_t acked = 0;
  while (acked < 8 * n && Clock::now() < deadline) {
    acked = 0;
    for (const LinkStats& link : pair(0).Links()) acked += link.bytes_acked;
    usleep(1000);
  }
  EXPECT_GE(acked, 8 * n);
  uint64_t written = 0;
  for (const LinkStats& link : pair(0).LinksWritten()) written += link.bytes_written;
  EXPECT_EQ(written, 8 * (n + 64));
}

TEST_F(RailsTest, TimesWithBytesUnderWayAreCounted) {
  // By the kernel, in ticks of up to 10 ms, in which a fast machine has sent and received it all.
  const auto all_were_busy = [this] {
    const std::vector<LinkStats> links = pair(0).Links();
    return std::all_of(links.begin(), links.end(), [](const LinkStats& link) {
      return (link.busy_seconds > 0) == (link.rail == 1);
    });
  };
  const Deadline deadline = DeadlineIn(30);
  do {
    ASSERT_NO_FATAL_FAILURE(Transfer(/*rail=*/1, /*count=*/8, 1 << 20));
  } while (!all_were_busy() && Clock::now() < deadline);
  EXPECT_TRUE(all_were_busy());
}

TEST_F(RailsTest, OneSocketThatIsFullDoesNotHoldUpTheOthers) {
  // Rank 1 does not read while rank 0 sends far more on rail 0 than its sockets take.
  std::vector<uint8_t> large = Pattern(16 << 20, 1);
  std::vector<uint8_t> small = Pattern(1000, 2);
  CopySink large_sink(large.size());
  CopySink small_sink(small.size());
  bool large_received = false;
  int sent = 0;  // the memory must stay until then
  std::vector<std::string> order;
  for (int i = 0; i < kSockets; ++i) {
    pair(0).Send({1, static_cast<uint64_t>(i), 0}, 0, {{large.data(), large.size()}},
                 [&] { ++sent; });
  }
  pair(0).Send({2, 0, 0}, 1, {{small.data(), small.size()}}, [&] { ++sent; });
  pair(0).SendControl(ControlKind::kGroup, "spec");
  pair(1).Receive({2, 0, 0}, &small_sink, [&] { order.push_back("small"); });
  pair(1).Receive({1, 0, 0}, &large_sink, [&] {
    large_received = true;
    order.push_back("large");
  });
  ASSERT_TRUE(Both([&] { return large_received && sent == kSockets + 1; }, 60));
  ASSERT_EQ(order.size(), 2u);
  EXPECT_EQ(order.front(), "small");
  EXPECT_EQ(node(1).log.front(), "control");
  EXPECT_TRUE(large_sink.data == large);
  EXPECT_TRUE(small_sink.data == small);
}

TEST_F(RailsTest, GoodbyeComesAfterTheMessagesOfEverySocket) {
  const size_t n = 3 << 20;
  constexpr int kMessages = 8;
  std::vector<uint8_t> message = Pattern(n, 3);
  std::vector<std::unique_ptr<CopySink>> sinks;
  for (int i = 0; i < kMessages; ++i) {
    const Tag tag = {1, static_cast<uint64_t>(i), 0};
    sinks.push_back(std::make_unique<CopySink>(n));
    pair(1).Receive(tag, sinks.back().get(), [&] { node(1).log.push_back("message"); });
    pair(0).Send(tag, i % kRails, {{message.data(), n}}, [] {});
  }
  pair(0).SendControl(ControlKind::kBye, "");
  std::thread closer([&] { pair(0).Close(30000); });
  EXPECT_TRUE(node(1).Run([&] { return !node(1).byes.empty() || !node(1).failures.empty(); }));
  closer.join();
  ASSERT_TRUE(node(1).failures.empty()) << node(1).failures[0].second.message();
  ASSERT_EQ(node(1).log.size(), kMessages + 1u);
  EXPECT_EQ(node(1).log.back(), "bye");
  for (const auto& sink : sinks) EXPECT_TRUE(sink->data == message);
  node(1).Run([] { return false; }, 0.1);
  EXPECT_TRUE(node(1).failures.empty());
}

TEST_F(RailsTest, AbortOvertakesTheDataOfEverySocket) {
  std::vector<uint8_t> message(64 << 20);
  for (uint64_t i = 0; i < 4; ++i) {
    pair(0).Send({1, i, 0}, static_cast<int>(i) % kRails, {{message.data(), message.size()}},
                 [] {});
  }
  pair(0).SendControl(ControlKind::kAbort, "4\nrank 0 gave up: shut down");
  const Deadline begun = Clock::now();
  pair(0).Close(2000);
  EXPECT_LT(SecondsSince(begun), Limit(0.5));
  ASSERT_TRUE(node(1).Run([&] { return !node(1).failures.empty(); }));
  EXPECT_EQ(node(1).failures[0].second.message(), "rank 0 gave up: shut down");
  node(1).Run([] { return false; }, 0.05);
  EXPECT_EQ(node(1).failures.size(), 1u);
}

class SecondaryDeathTest : public RailsTest, public ::testing::WithParamInterface<int> {};

// The primary lives on, but what was under way on the other socket is lost.
TEST_P(SecondaryDeathTest, TheEndOfOneSocketIsTheLossOfThePeer) {
  Transfer(0, 2, 1000);
  ASSERT_EQ(shutdown(pair(0).fd(GetParam()), SHUT_RDWR), 0);
  const Deadline begun = Clock::now();
  ASSERT_TRUE(node(1).Run([&] { return !node(1).failures.empty(); }, 5));
  EXPECT_LT(SecondsSince(begun), Limit(1.5));
  ASSERT_EQ(node(1).failures.size(), 1u);
  const Status& status = node(1).failures[0].second;
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message().find("lost connection to rank 0 (host h, pid 1): "), 0u);
  // Which of several connections it was.
  const std::string address = "127.0.0." + std::to_string((GetParam() - 1) / kSockets + 1);
  const std::string interface = "(b" + std::to_string(GetParam() - 1) + ")";
  if (GetParam() > 0) {
    EXPECT_NE(status.message().find(address), std::string::npos) << status.message();
    EXPECT_NE(status.message().find(interface), std::string::npos) << status.message();
  }
  EXPECT_TRUE(node(1).byes.empty());
  // The end of its own socket is noticed by the other side as well.
  ASSERT_TRUE(node(0).Run([&] { return !node(0).failures.empty(); }, 5));
}

TEST_P(SecondaryDeathTest, ButNotAfterTheGoodbye) {
  pair(0).SendControl(ControlKind::kBye, "");
  ASSERT_TRUE(Both([&] { return !node(1).byes.empty(); }));
  shutdown(pair(0).fd(GetParam()), SHUT_RDWR);
  node(1).Run([] { return false; }, 1.3);
  EXPECT_TRUE(node(1).failures.empty());
  for (int i = 0; i < 3; ++i) node(1).Poll();
  EXPECT_TRUE(pair(1).PrepareSleep());
  pair(1).CancelSleep();
}

TEST_P(SecondaryDeathTest, AnAbortThatComesAfterItIsTheCause) {
  ASSERT_EQ(shutdown(pair(0).fd(GetParam()), SHUT_WR), 0);
  node(1).Run([] { return false; }, 0.1);
  if (GetParam() == 0) {
    EXPECT_EQ(node(1).failures.size(), 1u);
    return;
  }
  EXPECT_TRUE(node(1).failures.empty());
  pair(0).SendControl(ControlKind::kAbort, "4\nthe cause");
  ASSERT_TRUE(node(1).Run([&] { return !node(1).failures.empty(); }, 5));
  EXPECT_EQ(node(1).failures[0].second.message(), "the cause");
}

INSTANTIATE_TEST_SUITE_P(Sockets, SecondaryDeathTest, ::testing::Values(0, 1, 4));

TEST_F(RailsTest, ARailThatIsNotThereIsAnError) {
  uint8_t byte = 0;
  pair(0).Send({1, 1, 1}, kRails, {{&byte, 1}}, [] { ADD_FAILURE(); });
  ASSERT_TRUE(node(0).Run([&] { return !node(0).failures.empty(); }, 5));
  EXPECT_EQ(node(0).failures[0].second.code(), Code::kInternal);
  EXPECT_NE(node(0).failures[0].second.message().find("rail 2 of 2"), std::string::npos);
}

TEST_F(RailsTest, WherePairsHaveOneWayTheRailDoesNotMatter) {
  for (const Kind kind : {Kind::kMemory, Kind::kTcp}) {
    std::vector<Mesh> meshes = MakeMeshes(kind, 2);
    Node a(std::move(meshes[0]));
    Node b(std::move(meshes[1]));
    ASSERT_EQ(a.to(1).rails(), 1);
    std::vector<uint8_t> message = Pattern(100000, 4);
    CopySink sink(message.size());
    bool received = false;
    b.to(0).Receive({1, 1, 1}, &sink, [&] { received = true; });
    a.to(1).Send({1, 1, 1}, 5, {{message.data(), message.size()}}, [] {});
    ASSERT_TRUE(RunBoth(&a, &b, [&] { return received; }));
    EXPECT_TRUE(sink.data == message);
    EXPECT_EQ(a.to(1).Links().size(), kind == Kind::kTcp ? 1u : 0u);
  }
}

}  // namespace
}  // namespace tf_ddl
