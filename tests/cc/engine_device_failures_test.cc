// Device memory and failures: whoever waits is told who failed and why, in bounded time, and the
// device is given up on every rank.
#include "device_harness.h"
#include "time_limits.h"

namespace tf_ddl {
namespace {

// Reduces a tensor in device memory and waits for the end, at most `seconds`.
Status Reduce(Engine& engine, uint64_t group, double seconds, TestStream* stream = nullptr) {
  // Of the heap and never freed too early: a call that is not waited for may still use it.
  auto data = std::make_shared<std::vector<float>>(1000, 1.0f);
  auto latch = std::make_shared<Latch>(1);
  engine.AllReduceOnDevice(group, 0, data->data(), data->data(), 1000, stream,
                           [data, done = latch->Callback(), latch](const Status& s) { done(s); });
  return latch->Wait(seconds);
}

uint64_t Register(Engine& engine, const std::string& key = "gradients") {
  uint64_t group = 0;
  EXPECT_TRUE(engine.RegisterGroup(OnDevice(OneTensor(key, DType::kFloat32, {1000})), &group).ok());
  return group;
}

void WaitForHealth(Engine& engine) {
  for (int i = 0; i < 500 && engine.health().ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST(DeviceFailures, OfADeviceAreTheJobs) {
  DeviceWorld world(3);
  world.FailAt(2, 1);
  DeviceEngines engines(&world, 3);
  engines.Run([&](int rank, Engine& engine) {
    const uint64_t group = Register(engine);
    ASSERT_TRUE(Reduce(engine, group, 10).ok());
    const Status status = Reduce(engine, group, 10);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.code(), Code::kDeadlineExceeded) << status.message();
    Says(status.message(), "injected failure");
    if (rank != 2) Says(status.message(), "rank 2");
    WaitForHealth(engine);
    Says(engine.health().message(), "rank 2");
    EXPECT_FALSE(Reduce(engine, group, 10).ok()) << "nothing works afterwards";
    engine.Shutdown();  // the device is given up last
    EXPECT_GE(world.AbortedSince(rank), 0);
  });
}

TEST(DeviceFailures, APeersEndIsNoticedWhileTheDeviceIsStuck) {
  DeviceWorld world(3);
  world.StickAt(0);
  DeviceEngines engines(&world, 3);
  engines.Run([&](int rank, Engine& engine) {
    const uint64_t group = Register(engine);
    if (rank == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return engine.Abort(Unavailable("the process died"));
    }
    const auto begin = Clock::now();
    const Status status = Reduce(engine, group, 10);
    EXPECT_EQ(status.code(), Code::kUnavailable) << status.message();
    Says(status.message(), "rank 1");
    EXPECT_LT(SecondsSince(begin), Limit(2));
  });
  for (int rank = 0; rank < 3; ++rank) {
    WaitForHealth(engines[rank]);
    engines[rank].Shutdown();
    EXPECT_GE(world.AbortedSince(rank), 0) << rank;
  }
}

TEST(DeviceFailures, AStuckCollectiveEndsWithWhatEveryRankDidLast) {
  DeviceWorld world(2);
  world.StickAt(1);
  EngineOptions options;
  options.timeout = 3.0;
  DeviceEngines engines(&world, 2, options);
  engines.Run([&](int, Engine& engine) {
    const uint64_t group = Register(engine);
    ASSERT_TRUE(Reduce(engine, group, 10).ok());
    const Status status = Reduce(engine, group, 10);
    EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
    Says(status.message(), "waits for the GPUs, which have finished 1 of 2");
    Says(status.message(), "all ranks have started the same 2 collectives");
  });
}

TEST(DeviceFailures, ARankThatDoesNotComeIsNamedAsBehind) {
  DeviceWorld world(3);
  EngineOptions options;
  options.timeout = 3.0;
  DeviceEngines engines(&world, 3, options);
  uint64_t group[3];
  engines.Run([&](int rank, Engine& engine) {
    group[rank] = Register(engine);
    ASSERT_TRUE(Reduce(engine, group[rank], 10).ok());
  });
  testing::internal::CaptureStderr();
  engines.Run([&](int rank, Engine& engine) {
    if (rank == 2) return;  // its program does something else
    const Status status = Reduce(engine, group[rank], 10);
    EXPECT_EQ(status.code(), Code::kDeadlineExceeded) << status.message();
    Says(status.message(), "rank 2");
    Says(status.message(), "is behind: 1 of 2 collectives started");
  });
  const std::string log = testing::internal::GetCapturedStderr();
  Says(log, "the last collectives on GPUs");
  Says(log, "of which nothing has arrived");
  Says(log, "under way: all-reduce of 'gradients'");
}

TEST(DeviceFailures, Rank0ThatDoesNotComeIsNamed) {
  DeviceWorld world(2);
  EngineOptions options;
  options.timeout = 3.0;
  DeviceEngines engines(&world, 2, options);
  uint64_t group[2];
  engines.Run([&](int rank, Engine& engine) {
    group[rank] = Register(engine);
    ASSERT_TRUE(Reduce(engine, group[rank], 10).ok());
  });
  const Status status = Reduce(engines[1], group[1], 10);
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
  Says(status.message(), "rank 0 has not started");
}

TEST(DeviceFailures, ARankThatLeavesIsNamed) {
  for (int leaver : {0, 1}) {
    DeviceWorld world(2);
    DeviceEngines engines(&world, 2);
    engines.Run([&](int rank, Engine& engine) {
      const uint64_t group = Register(engine);
      ASSERT_TRUE(Reduce(engine, group, 10).ok());
      if (rank == leaver) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        return engine.Shutdown();
      }
      const Status status = Reduce(engine, group, 10);
      EXPECT_EQ(status.code(), Code::kUnavailable) << status.message();
      Says(status.message(), "rank " + std::to_string(leaver));
      Says(status.message(), "has left the job");
    });
  }
}

TEST(DeviceFailures, ShuttingDownEndsWhatIsUnderWay) {
  DeviceWorld world(2);
  world.StickAt(0);
  DeviceEngines engines(&world, 2);
  engines.Run([&](int, Engine& engine) {
    const uint64_t group = Register(engine);
    std::thread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      engine.Shutdown();
    });
    EXPECT_FALSE(Reduce(engine, group, 10).ok());
    later.join();
  });
}

// The last reference to an engine may be held by the callback that the device's thread runs.
TEST(DeviceFailures, ACallbackMayHoldTheLastReference) {
  for (int round = 0; round < 20; ++round) {
    DeviceWorld world(2);
    std::vector<std::unique_ptr<Communicator>> communicators;
    ASSERT_TRUE(CreateLoopbackCommunicators(2, true, nullptr, CommOptions(), &communicators).ok());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 2; ++rank) {
      auto engine =
          Engine::Create(std::move(communicators[rank]), EngineOptions(), world.ForRank(rank));
      threads.emplace_back([engine = std::move(engine)]() mutable {
        const uint64_t group = Register(*engine);
        std::vector<float> data(1000, 1.0f);
        Latch latch(1);
        engine->AllReduceOnDevice(
            group, 0, data.data(), data.data(), 1000, nullptr,
            [engine, done = latch.Callback()](const Status& status) { done(status); });
        EXPECT_TRUE(latch.Wait(10).ok());
        engine->Shutdown();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace tf_ddl
