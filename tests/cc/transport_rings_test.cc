// What travels through rings beside which large messages are pulled, and whom that wakes.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <thread>
#include <vector>

#include "transport_harness.h"

namespace tf_ddl {
namespace {

// The sender is done with what is copied; what is read in place it must keep.
TEST(MessagesInCaches, AreCopiedWhereTheyFitWellIntoTheRing) {
  std::vector<Mesh> meshes = MakeMeshes(Kind::kMemory, 2);
  Node sender(std::move(meshes[0])), receiver(std::move(meshes[1]));
  const size_t most = kLeastPullRingBytes / 4;
  std::vector<uint8_t> message = Pattern(most + 16, 1);
  const auto is_copied = [&](size_t n, bool in_caches, uint64_t i) {
    bool sent = false;
    bool received = false;
    sender.to(1).Send({1, i, 0}, 0, {{message.data(), n}}, [&] { sent = true; }, in_caches);
    for (int turn = 0; turn < 20; ++turn) sender.Poll();
    const bool copied = sent;
    CopySink sink(n);
    receiver.to(0).Receive({1, i, 0}, &sink, [&] { received = true; });
    EXPECT_TRUE(RunBoth(&sender, &receiver, [&] { return sent && received; }));
    return copied;
  };
  EXPECT_TRUE(is_copied(most, true, 0));
  EXPECT_FALSE(is_copied(most + 16, true, 1));
  EXPECT_FALSE(is_copied(most, false, 2));
}

// A driver that will be back soon is not woken; one that stays away is.
TEST(HeldBells, RingWhenTheSleeperStaysAway) {
  std::vector<Mesh> meshes = MakeMeshes(Kind::kMemory, 2);
  Node one(std::move(meshes[0])), other(std::move(meshes[1]));
  std::vector<uint8_t> message = Pattern(64, 1);
  const auto is_rung = [&] {
    pollfd socket = {other.to(0).fd(0), POLLIN, 0};
    return poll(&socket, 1, 0) == 1;
  };
  one.to(1).HoldBells(true);
  ASSERT_TRUE(other.to(0).PrepareSleep());
  one.to(1).Send({1, 0, 0}, 0, {{message.data(), message.size()}}, [] {});
  other.to(0).CancelSleep();  // back by itself
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  one.Poll();
  EXPECT_FALSE(is_rung());

  while (other.Poll()) continue;
  ASSERT_TRUE(other.to(0).PrepareSleep());
  one.to(1).Send({1, 1, 0}, 0, {{message.data(), message.size()}}, [] {});
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  one.Poll();
  EXPECT_TRUE(is_rung());

  while (other.Poll()) continue;
  ASSERT_TRUE(other.to(0).PrepareSleep());
  one.to(1).Send({1, 2, 0}, 0, {{message.data(), message.size()}}, [] {});
  one.to(1).HoldBells(false);
  EXPECT_TRUE(is_rung());
}

TEST(PullRings, OfAllPeersOfAHostStayAboutAsLarge) {
  EXPECT_EQ(PullRingBytes(2), kPullRingBytes);
  EXPECT_EQ(PullRingBytes(3), kPullRingBytes / 2);
  EXPECT_EQ(PullRingBytes(4), kPullRingBytes / 2);
  EXPECT_EQ(PullRingBytes(8), kPullRingBytes / 4);
  EXPECT_EQ(PullRingBytes(1024), kLeastPullRingBytes);
}

}  // namespace
}  // namespace tf_ddl
