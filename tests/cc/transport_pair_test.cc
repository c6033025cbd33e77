// Messages over every kind of pair: the same tests on threads' memory, shared-memory rings,
// cross-memory attach and TCP.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "transport_harness.h"

namespace tf_ddl {
namespace {

class PairTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    std::vector<Mesh> meshes = MakeMeshes(GetParam(), 2);
    ASSERT_EQ(meshes.size(), 2u);
    for (Mesh& mesh : meshes) nodes_.push_back(std::make_unique<Node>(std::move(mesh)));
  }
  Node& node(int rank) { return *nodes_[rank]; }
  // Messages take turns on the rails, if there are several.
  int Rail(uint64_t i) { return static_cast<int>(i) % node(0).to(1).rails(); }
  bool Both(const std::function<bool()>& done) {
    return RunBoth(nodes_[0].get(), nodes_[1].get(), done);
  }

  std::vector<std::unique_ptr<Node>> nodes_;
};

std::vector<size_t> Sizes() {
  std::vector<size_t> sizes = {0, 1, 15, 16, 17, 100, 4096, 16384, 16385, 65539, (1 << 20) + 1};
  if (!kSanitized) sizes.push_back((5 << 20) + 7);
  return sizes;
}

TEST_P(PairTest, EverySizeArrivesWhole) {
  for (const size_t n : Sizes()) {
    for (const bool reduce : {false, true}) {
      for (const bool early : {false, true}) {
        SCOPED_TRACE(std::to_string(n) + (reduce ? " reduce" : " copy") + (early ? " early" : ""));
        std::vector<uint8_t> message = Pattern(n, 7);
        const Tag tag = {1, n, static_cast<uint64_t>(reduce) * 2 + early};
        CopySink copy(n);
        AddSink add(n);
        Sink* sink = reduce ? static_cast<Sink*>(&add) : &copy;
        bool sent = false;
        bool received = false;
        const auto receive = [&] { node(1).to(0).Receive(tag, sink, [&] { received = true; }); };
        if (!early) receive();
        node(0).to(1).Send(tag, Rail(n + early), {{message.data(), n}}, [&] { sent = true; });
        if (early) {
          for (int i = 0; i < 20; ++i) {
            node(0).Poll();
            node(1).Poll();
          }
          receive();
        }
        ASSERT_TRUE(Both([&] { return sent && received; }));
        EXPECT_TRUE((reduce ? add.data : copy.data) == message);
      }
    }
  }
}

TEST_P(PairTest, ScatteredPiecesOfOddSizes) {
  const size_t n = ((kSanitized ? 60 : 600) << 10) + 13;
  const std::vector<std::vector<size_t>> cuts = {{SIZE_MAX},   {1, 3, 5, 40001}, {4096},
                                                 {700001, 17}, {129, 1000},      {8}};
  int round = 0;
  for (const auto& from : cuts) {
    for (const auto& to : cuts) {
      std::vector<uint8_t> message = Pattern(n, 100 + round);
      CopySink copy(n, to);
      AddSink add(n);
      int received = 0;
      int sent = 0;
      const Tag tag = {2, static_cast<uint64_t>(round++), 0};
      const Tag tag2 = {3, tag.instance, 0};
      node(0).to(1).Receive(tag, &copy, [&] { ++received; });
      node(0).to(1).Receive(tag2, &add, [&] { ++received; });
      node(1).to(0).Send(tag, 0, Cut(message.data(), n, from), [&] { ++sent; });
      node(1).to(0).Send(tag2, Rail(1), Cut(message.data(), n, from), [&] { ++sent; });
      ASSERT_TRUE(Both([&] { return sent == 2 && received == 2; }));
      ASSERT_TRUE(copy.data == message);
      ASSERT_TRUE(add.data == message);
    }
  }
}

TEST_P(PairTest, ReceivesInAnotherOrderAndBothDirections) {
  constexpr int kMessages = 200;
  const auto size_of = [](int i) { return static_cast<size_t>(i % 5 == 0 ? 50000 + i : 37 * i); };
  std::vector<std::vector<uint8_t>> messages;
  std::vector<std::unique_ptr<CopySink>> sinks[2];
  int done = 0;
  for (int i = 0; i < kMessages; ++i) {
    messages.push_back(Pattern(size_of(i), i));
    for (int rank = 0; rank < 2; ++rank)
      sinks[rank].push_back(std::make_unique<CopySink>(size_of(i)));
  }
  for (int i = 0; i < kMessages; ++i) {
    const Tag tag = {5, static_cast<uint64_t>(i), 0};
    for (int rank = 0; rank < 2; ++rank) {
      const int j = (i * 77 + 13) % kMessages;  // another order on the receiving side
      node(rank).to(1 - rank).Send(tag, Rail(i), {{messages[i].data(), messages[i].size()}},
                                   [&] { ++done; });
      node(rank).to(1 - rank).Receive({5, static_cast<uint64_t>(j), 0}, sinks[rank][j].get(),
                                      [&] { ++done; });
    }
    if (i % 10 == 0) {
      node(0).Poll();
      node(1).Poll();
    }
  }
  ASSERT_TRUE(Both([&] { return done == 4 * kMessages; }));
  for (int i = 0; i < kMessages; ++i) {
    for (int rank = 0; rank < 2; ++rank) EXPECT_TRUE(sinks[rank][i]->data == messages[i]) << i;
  }
}

TEST_P(PairTest, ReceivePostedWhileTheMessageArrives) {
  const size_t n = ((kSanitized ? 500 : 3000) << 10) + 5;
  std::vector<uint8_t> message = Pattern(n, 3);
  for (int polls = 0; polls < 12; ++polls) {
    AddSink sink(n);
    CopySink copy(n, {333, 70000});
    int done = 0;
    const uint64_t instance = static_cast<uint64_t>(polls);
    node(0).to(1).Send({1, instance, 0}, 0, {{message.data(), n}}, [&] { ++done; });
    node(0).to(1).Send({1, instance, 1}, Rail(1), {{message.data(), n}}, [&] { ++done; });
    for (int i = 0; i < polls; ++i) {
      node(1).Poll();
      node(0).Poll();
    }
    node(1).to(0).Receive({1, instance, 0}, &sink, [&] { ++done; });
    node(1).to(0).Receive({1, instance, 1}, &copy, [&] { ++done; });
    ASSERT_TRUE(Both([&] { return done == 4; }));
    ASSERT_TRUE(sink.data == message);
    ASSERT_TRUE(copy.data == message);
  }
}

TEST_P(PairTest, SizeMismatchFailsTheReceiverWithBothSizes) {
  for (const bool early : {false, true}) {
    nodes_.clear();
    SetUp();
    std::vector<uint8_t> message(40);
    CopySink sink(20);
    bool received = false;
    const auto receive = [&] { node(0).to(1).Receive({1, 1, 1}, &sink, [&] { received = true; }); };
    if (!early) receive();
    node(1).to(0).Send({1, 1, 1}, 0, {{message.data(), 40}}, [] {});
    if (early) {
      for (int i = 0; i < 20; ++i) {
        node(1).Poll();
        node(0).Poll();
      }
      receive();
    }
    ASSERT_TRUE(Both([&] { return !node(0).failures.empty(); }));
    EXPECT_EQ(node(0).failures[0].second.code(), Code::kInvalidArgument);
    EXPECT_NE(
        node(0).failures[0].second.message().find("rank 1 sent 40 bytes where rank 0 expects 20"),
        std::string::npos);
    EXPECT_FALSE(received);
    // The one that failed can still tell the other why.
    node(0).to(1).SendControl(ControlKind::kAbort, "1\nshapes differ");
    ASSERT_TRUE(Both([&] { return !node(1).failures.empty(); }));
    EXPECT_EQ(node(1).failures[0].second.code(), Code::kInvalidArgument);
    EXPECT_EQ(node(1).failures[0].second.message(), "shapes differ");
  }
}

TEST_P(PairTest, GoodbyeComesAfterEverythingElseAndItsEndIsNoFailure) {
  const size_t n = 300000;
  std::vector<uint8_t> message = Pattern(n, 1);
  CopySink sink(n);
  node(1).to(0).Receive({1, 1, 1}, &sink, [&] { node(1).log.push_back("message"); });
  bool sent = false;
  node(0).to(1).Send({1, 1, 1}, 0, {{message.data(), n}}, [&] { sent = true; });
  node(0).to(1).SendControl(ControlKind::kGroup, "spec");
  ASSERT_TRUE(Both([&] { return sent; }));
  node(0).to(1).SendControl(ControlKind::kBye, "");
  node(0).to(1).Close(1000);
  ASSERT_TRUE(node(1).Run([&] { return !node(1).byes.empty(); }));
  EXPECT_EQ(node(1).log.back(), "bye");
  EXPECT_EQ(node(1).log.size(), 3u);
  EXPECT_TRUE(sink.data == message);
  node(1).Run([] { return false; }, 0.05);
  EXPECT_TRUE(node(1).failures.empty());
  node(1).to(0).SendControl(ControlKind::kBye, "");  // into the void
  node(1).to(0).Close(100);
}

TEST_P(PairTest, WritingToAPeerThatHasLeftIsNoFailure) {
  node(0).to(1).SendControl(ControlKind::kBye, "");
  node(0).to(1).Close(1000);
  std::vector<uint8_t> message(1000);
  for (uint64_t i = 0; i < 5; ++i) {
    node(1).to(0).SendControl(ControlKind::kGroup, "anybody there?");
    node(1).to(0).Send({1, i, 0}, 0, {{message.data(), message.size()}}, [] {});
    usleep(2000);
  }
  ASSERT_TRUE(node(1).Run([&] { return !node(1).byes.empty(); }));
  node(1).Run([] { return false; }, 0.05);
  EXPECT_TRUE(node(1).failures.empty());
  // And the pair lets its thread sleep.
  for (int i = 0; i < 3; ++i) node(1).Poll();
  EXPECT_TRUE(node(1).to(0).PrepareSleep());
  node(1).to(0).CancelSleep();
}

TEST_P(PairTest, AbortIsDeliveredBeforeTheEndBehindIt) {
  std::vector<uint8_t> message(3 << 20);
  node(0).to(1).Send({1, 1, 1}, 0, {{message.data(), message.size()}}, [] {});
  node(0).to(1).SendControl(ControlKind::kAbort, "4\nrank 0 gave up: shut down");
  node(1).to(0).SendControl(ControlKind::kGroup, std::string(1000, 'x'));  // unread by the closer
  node(1).Poll();
  std::thread closer([&] { node(0).to(1).Close(1000); });
  EXPECT_TRUE(node(1).Run([&] { return !node(1).failures.empty(); }));
  closer.join();
  ASSERT_EQ(node(1).failures.size(), 1u);
  EXPECT_EQ(node(1).failures[0].second.code(), Code::kFailedPrecondition);
  EXPECT_EQ(node(1).failures[0].second.message(), "rank 0 gave up: shut down");
  node(1).Run([] { return false; }, 0.05);
  EXPECT_EQ(node(1).failures.size(), 1u);
}

TEST_P(PairTest, AnEndWithoutGoodbyeIsALoss) {
  node(0).to(1).Close(0);
  ASSERT_TRUE(node(1).Run([&] { return !node(1).failures.empty(); }));
  EXPECT_EQ(node(1).failures[0].first, 0);
  EXPECT_EQ(node(1).failures[0].second.code(), Code::kUnavailable);
  EXPECT_NE(node(1).failures[0].second.message().find("lost connection to rank 0"),
            std::string::npos);
}

TEST_P(PairTest, MemoryOfAClosedPeerIsNotRead) {
  auto message = std::make_unique<std::vector<uint8_t>>(Pattern(2 << 20, 1));
  CopySink sink(message->size());
  bool received = false;
  node(0).to(1).Send({1, 1, 1}, 0, {{message->data(), message->size()}}, [] {});
  node(1).Poll();
  node(0).to(1).Close(0);
  message.reset();
  node(1).to(0).Receive({1, 1, 1}, &sink, [&] { received = true; });
  ASSERT_TRUE(node(1).Run([&] { return !node(1).failures.empty(); }));
  // A socket's buffers may have taken all of the message before the close; then it is whole.
  const Kind kind = GetParam();
  if (kind == Kind::kTcp || kind == Kind::kSockets || kind == Kind::kRails) {
    EXPECT_TRUE(!received || sink.data == Pattern(2 << 20, 1));
  } else {
    EXPECT_FALSE(received);
  }
  EXPECT_EQ(node(1).failures[0].second.code(), Code::kUnavailable);
}

TEST_P(PairTest, ControlFramesKeepTheirOrder) {
  for (int i = 0; i < 300; ++i) {
    node(0).to(1).SendControl(ControlKind::kOrder, std::string(i * 7, 'a') + std::to_string(i));
  }
  ASSERT_TRUE(Both([&] { return node(1).controls.size() == 300; }));
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(node(1).controls[i].payload, std::string(i * 7, 'a') + std::to_string(i));
  }
}

TEST_P(PairTest, MessagesInCachesArriveWhole) {
  for (const size_t n : Sizes()) {
    std::vector<uint8_t> message = Pattern(n, 5);
    CopySink copy(n);
    AddSink add(n);
    int done = 0;
    node(0).to(1).Send({3, n, 0}, 0, {{message.data(), n}}, [&] { ++done; }, true);
    node(0).to(1).Send({3, n, 1}, 0, {{message.data(), n}}, [&] { ++done; }, true);
    node(1).to(0).Receive({3, n, 1}, &add, [&] { ++done; });
    node(1).to(0).Receive({3, n, 0}, &copy, [&] { ++done; });
    ASSERT_TRUE(Both([&] { return done == 4; })) << n;
    EXPECT_TRUE(copy.data == message && add.data == message) << n;
  }
}

// Two threads that sleep whenever they can: a lost wake-up would hang here.
TEST_P(PairTest, SleepersAreAlwaysWoken) {
  const int rounds = 3000;
  const auto play = [&](int rank) {
    Node& me = node(rank);
    std::vector<uint8_t> out(64);
    int round = 0;
    bool received = false;
    bool sent = true;
    bool ok = true;
    CopySink small(64);
    const Tag base = {9, 0, 0};
    while (round < rounds && ok) {
      Tag tag = base;
      tag.instance = static_cast<uint64_t>(round);
      received = false;
      sent = false;
      if (round % 5 == 0) me.to(1 - rank).HoldBells(round % 10 == 0);
      out[0] = static_cast<uint8_t>(round);
      const bool mine = round % 2 == rank;
      if (mine) {
        me.to(1 - rank).Send(tag, Rail(round), {{out.data(), out.size()}}, [&] { sent = true; });
        ok = me.Run([&] { return sent; });
      } else {
        me.to(1 - rank).Receive(tag, &small, [&] { received = true; });
        ok = me.Run([&] { return received; });
        ok = ok && small.data[0] == static_cast<uint8_t>(round);
      }
      ++round;
    }
    EXPECT_TRUE(ok) << "rank " << rank << " round " << round;
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
}

// Both sides send more than any ring or socket buffer holds, on two threads, all at once.
TEST_P(PairTest, ManyLargeMessagesBothWaysOnTwoThreads) {
  constexpr int kMessages = 12;
  const size_t n = kSanitized ? 300001 : 700001;
  std::atomic<int> finished{0};
  const auto play = [&](int rank) {
    Node& me = node(rank);
    std::vector<std::vector<uint8_t>> out;
    std::vector<std::unique_ptr<AddSink>> in;
    int done = 0;
    for (int i = 0; i < kMessages; ++i) {
      out.push_back(Pattern(n + i, i + 1000 * rank));
      in.push_back(std::make_unique<AddSink>(n + i));
      me.to(1 - rank).Send({1, static_cast<uint64_t>(i), 0}, Rail(i / 2),
                           Cut(out[i].data(), n + i, {99999}), [&] { ++done; });
    }
    for (int i = kMessages - 1; i >= 0; --i) {
      me.to(1 - rank).Receive({1, static_cast<uint64_t>(i), 0}, in[i].get(), [&] { ++done; });
    }
    EXPECT_TRUE(me.Run([&] { return done == 2 * kMessages; }, 60));
    for (int i = 0; i < kMessages; ++i) {
      EXPECT_TRUE(in[i]->data == Pattern(n + i, i + 1000 * (1 - rank)));
    }
    ++finished;
    me.Run([&] { return finished == 2; }, 0.2);
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
}

INSTANTIATE_TEST_SUITE_P(Kinds, PairTest,
                         ::testing::Values(Kind::kMemory, Kind::kLoopbackRing, Kind::kTinyRing,
                                           Kind::kTinyRingPull, Kind::kCma, Kind::kShm, Kind::kTcp,
                                           Kind::kSockets, Kind::kRails),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace tf_ddl
