// All ranks reduce on GPUs or none does, and all know why.
#include "comm/device_setup.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "device_harness.h"
#include "time_limits.h"

namespace tf_ddl {
namespace {

struct Rank {
  DeviceOffer offer{DeviceWish::kAuto, 0, "", "2.28.3", "", false};
  Status make_id;
  Status create;            // what it says at once; with waits: once it is told to give up
  bool waits = false;       // for ranks that do not come
  bool dies = false;        // instead of creating
  bool stays_away = false;  // takes no part
  double deadline = 20;     // seconds
};

struct Seen {
  Status status;
  DeviceOutcome outcome;
  std::string id;
  double seconds = 0;
};

using After =
    std::function<void(std::unique_ptr<Communicator>, std::unique_ptr<DeviceCommunicator>)>;

// What became of each rank; `after`: what it does then, if it could set up.
std::vector<Seen> Try(std::vector<Rank> ranks, const After& after = nullptr) {
  const int size = static_cast<int>(ranks.size());
  DeviceWorld world(size);
  std::vector<std::unique_ptr<Communicator>> communicators;
  EXPECT_TRUE(CreateLoopbackCommunicators(size, true, nullptr, CommOptions(), &communicators).ok());
  std::vector<Seen> seen(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const Rank& what = ranks[rank];
      if (what.stays_away) return;
      DeviceFactory factory;
      factory.make_id = [&](std::string* id) {
        *id = std::string("id\0of rank ", 11) + std::to_string(rank);
        return what.make_id;
      };
      factory.create = [&](const std::string& id, const std::function<Status()>& give_up,
                           std::unique_ptr<DeviceCommunicator>* made) {
        seen[rank].id = id;
        if (what.dies) {
          communicators[rank]->Close(Unavailable("rank " + std::to_string(rank) + " has died"));
          return Internal("dead");
        }
        while (what.waits) {
          const Status status = give_up();
          if (!status.ok()) return status;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        if (what.create.ok()) *made = world.ForRank(rank);
        return what.create;
      };
      const int64_t begin = NowNanos();
      seen[rank].status = SetUpDevices(communicators[rank].get(), what.offer, factory,
                                       DeadlineIn(what.deadline), &seen[rank].outcome);
      seen[rank].seconds = static_cast<double>(NowNanos() - begin) * 1e-9;
      if (after && seen[rank].status.ok()) {
        after(std::move(communicators[rank]), std::move(seen[rank].outcome.communicator));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (Seen& each : seen) each.outcome.communicator.reset();
  return seen;
}

// Everybody goes by way of the host, for this reason.
void ExpectHost(const std::vector<Seen>& seen, const std::string& reason) {
  for (const Seen& each : seen) {
    EXPECT_TRUE(each.status.ok()) << each.status.message();
    EXPECT_EQ(each.outcome.communicator, nullptr);
    EXPECT_EQ(each.outcome.reason, reason);
    EXPECT_LT(each.seconds, Limit(5));
  }
}

std::string HostName() {
  std::vector<std::unique_ptr<Communicator>> communicators;
  EXPECT_TRUE(CreateLoopbackCommunicators(2, true, nullptr, CommOptions(), &communicators).ok());
  return communicators[0]->HostOf(0);
}

std::string Named(int rank) { return "rank " + std::to_string(rank) + " (" + HostName() + ")"; }

TEST(DeviceSetup, WhereAllCanAllDoAndTheEngineFollows) {
  // The engines of fast ranks speak while slow ones still set up.
  const auto reduce = [](std::unique_ptr<Communicator> communicator,
                         std::unique_ptr<DeviceCommunicator> device) {
    ASSERT_NE(device, nullptr);
    auto engine = Engine::Create(std::move(communicator), EngineOptions(), std::move(device));
    uint64_t group;
    const auto spec = OnDevice(OneTensor("x", DType::kFloat32, {1}));
    ASSERT_TRUE(engine->RegisterGroup(spec, &group).ok());
    float value = 1;
    Latch latch(1);
    engine->AllReduceOnDevice(group, 0, &value, &value, 1, nullptr, latch.Callback());
    const Status status = latch.Wait();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(value, 3);
    engine->Shutdown();
  };
  for (const Seen& each : Try(std::vector<Rank>(3), reduce)) {
    EXPECT_TRUE(each.status.ok()) << each.status.message();
    EXPECT_EQ(each.id, std::string("id\0of rank 0", 12));
    EXPECT_EQ(each.outcome.reason, "");
  }
}

TEST(DeviceSetup, OneThatCannotIsNamedInOneWarning) {
  std::vector<Rank> ranks(3);
  ranks[1].offer.why_not = "no libnccl was found";
  ranks[1].offer.version = "";
  testing::internal::CaptureStderr();
  const auto seen = Try(ranks);
  const std::string log = testing::internal::GetCapturedStderr();
  ExpectHost(seen, Named(1) + ": no libnccl was found");
  const std::string warning = "by way of host memory, which is slower: " + Named(1);
  EXPECT_NE(log.find(warning), std::string::npos) << log;
  EXPECT_EQ(log.find(warning, log.find(warning) + 1), std::string::npos) << log;
}

TEST(DeviceSetup, NcclOrNothing) {
  std::vector<Rank> ranks(2);
  for (Rank& rank : ranks) rank.offer.wish = DeviceWish::kDevice;
  ranks[1].offer.why_not = "the driver is too old";
  for (const Seen& each : Try(ranks)) {
    EXPECT_EQ(each.status.code(), Code::kFailedPrecondition);
    EXPECT_NE(each.status.message().find(Named(1) + ": the driver is too old"), std::string::npos)
        << each.status.message();
  }
  ranks[1].offer.why_not = "";
  ranks[0].create = Internal("unhandled cuda error");
  ranks[1].waits = true;
  for (const Seen& each : Try(ranks)) {
    EXPECT_EQ(each.status.code(), Code::kUnavailable);
    EXPECT_NE(each.status.message().find(Named(0) + ": unhandled cuda error"), std::string::npos)
        << each.status.message();
  }
}

TEST(DeviceSetup, WithoutGpusNothingIsSaid) {
  std::vector<Rank> ranks(2);
  for (Rank& rank : ranks) rank.offer.ordinal = -1;
  ranks[1].offer.wish = DeviceWish::kDevice;  // means nothing without a GPU
  testing::internal::CaptureStderr();
  const auto seen = Try(ranks);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ExpectHost(seen, "");
}

TEST(DeviceSetup, TheHostIfTheUserWantsIt) {
  std::vector<Rank> ranks(2);
  for (Rank& rank : ranks) rank.offer.wish = DeviceWish::kHost;
  testing::internal::CaptureStderr();
  const auto seen = Try(ranks);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ExpectHost(seen, "");
}

TEST(DeviceSetup, DifferentWishesAreAnError) {
  std::vector<Rank> ranks(3);
  ranks[2].offer.wish = DeviceWish::kHost;
  for (const Seen& each : Try(ranks)) {
    EXPECT_EQ(each.status.code(), Code::kInvalidArgument);
    EXPECT_EQ(each.status.message(), Named(0) + " has gpu_reduction=auto, " + Named(2) +
                                         " has gpu_reduction=host: every rank needs the same "
                                         "settings");
  }
}

TEST(DeviceSetup, RanksThatHaveComeToOneGpuAreToldSo) {
  for (const bool shares : {false, true}) {  // both have to
    std::vector<Rank> ranks(3);
    ranks[0].offer.uuid = "aa";
    ranks[1].offer.uuid = ranks[2].offer.uuid = "bb";
    ranks[1].offer.share = shares;
    for (const Seen& each : Try(ranks)) {
      EXPECT_EQ(each.status.code(), Code::kInvalidArgument);
      EXPECT_EQ(each.status.message().rfind(
                    Named(1) + " and " + Named(2) + " have come to the same GPU, number 0. ", 0),
                0u)
          << each.status.message();
    }
  }
  std::vector<Rank> ranks(3);
  for (Rank& rank : ranks) {
    rank.offer.uuid = "aa";
    rank.offer.share = true;
  }
  for (const Seen& each : Try(ranks)) EXPECT_TRUE(each.status.ok()) << each.status.message();
}

TEST(DeviceSetup, RanksWithoutAGpuOrWithAnotherNcclAreReasons) {
  std::vector<Rank> ranks(2);
  ranks[0].offer.ordinal = -1;
  ExpectHost(Try(ranks), Named(0) + " uses no GPU, " + Named(1) + " does");
  ranks = std::vector<Rank>(2);
  ranks[1].offer.version = "2.27.1";
  ExpectHost(Try(ranks), Named(1) + " has NCCL 2.27.1, " + Named(0) + " NCCL 2.28.3");
  ranks = std::vector<Rank>(2);
  ranks[0].make_id = Internal("no network");
  ExpectHost(Try(ranks), Named(0) + ": no network");
}

TEST(DeviceSetup, WhenOneCannotMakeItsOwnTheOthersGiveUp) {
  for (int failing : {0, 1, 2}) {
    std::vector<Rank> ranks(3);
    for (Rank& rank : ranks) rank.waits = true;
    ranks[failing].waits = false;
    ranks[failing].create = Internal("out of GPU memory");
    ExpectHost(Try(ranks), Named(failing) + ": out of GPU memory");
  }
}

TEST(DeviceSetup, ARankThatDiesMeanwhileIsNamed) {
  for (int dying : {0, 2}) {
    std::vector<Rank> ranks(3);
    for (Rank& rank : ranks) rank.waits = true;
    ranks[dying].dies = true;
    ranks[dying].deadline = 2;  // the rest of its program is not there
    const auto seen = Try(ranks);
    for (int rank = 0; rank < 3; ++rank) {
      if (rank == dying) continue;
      EXPECT_FALSE(seen[rank].status.ok());
      EXPECT_NE(seen[rank].status.message().find("rank " + std::to_string(dying)),
                std::string::npos)
          << seen[rank].status.message();
      EXPECT_LT(seen[rank].seconds, Limit(5));
    }
  }
}

TEST(DeviceSetup, ARankThatDoesNotComeIsNamed) {
  for (int missing : {0, 1}) {
    std::vector<Rank> ranks(2);
    for (Rank& rank : ranks) rank.deadline = 0.3;
    ranks[missing].stays_away = true;
    const Seen seen = std::move(Try(ranks)[1 - missing]);
    EXPECT_EQ(seen.status.code(), Code::kDeadlineExceeded) << seen.status.message();
    EXPECT_NE(seen.status.message().find("in vain for " + Named(missing)), std::string::npos)
        << seen.status.message();
  }
}

}  // namespace
}  // namespace tf_ddl
