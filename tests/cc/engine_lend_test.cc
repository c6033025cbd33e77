// Callers that lend their thread to the engine, beside callers that do not, with failures and ends
// in the middle. Every wait has a bound: what hangs fails.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>

#include "engine_harness.h"

namespace tf_ddl {
namespace {

constexpr double kBound = 60;  // seconds; a lost wake-up or a deadlock, not slowness, takes longer
// Each time at another moment, by chance; a sanitizer does not need to meet the worst one.
constexpr int kRounds = kSanitized ? 5 : 12;

// A blocking call as capi's Run makes it, with a bound.
Status LendFor(Engine* engine, uint64_t group, float* data, int64_t count) {
  Latch latch(1);
  std::atomic<bool> finished{false};
  const auto note = latch.Callback();
  engine->Lend(
      [&] {
        engine->AllReduce(group, 0, data, data, count, [&](const Status& status) {
          finished.store(true);
          note(status);
        });
      },
      [&] { return finished.load(); });
  return latch.Wait(kBound);
}

Status SubmitAndWait(Engine* engine, uint64_t group, float* data, int64_t count) {
  Latch latch(1);
  engine->AllReduce(group, 0, data, data, count, latch.Callback());
  return latch.Wait(kBound);
}

int64_t CountOf(int user, int call) {
  const int64_t sizes[] = {1, 700, 5, 30000, 64, 9000, 2, 120000};
  return sizes[(user * 3 + call) % 8];
}

std::string KeyOf(int user, int64_t count) {
  return "user " + std::to_string(user) + " " + std::to_string(count);
}

// One user: a thread on each rank that makes the same calls as its namesakes. Half of the users
// lend, the others do not, and every third call of theirs is of the other kind. Ends with the first
// status that is not ok.
Status Use(Engine* engine, int user, int calls) {
  for (int call = 0; call < calls; ++call) {
    const int64_t count = CountOf(user, call);
    uint64_t group = 0;
    // Registered by Register before, in an order that is the same on all ranks.
    const Status found =
        engine->RegisterGroup(OneTensor(KeyOf(user, count), DType::kFloat32, {count}), &group);
    if (!found.ok()) return found;
    std::vector<float> data(count);
    Sawtooth{0, engine->rank() + call}.Put(DType::kFloat32, data.data(), count);
    const bool lend = (user % 2 == 0) != (call % 3 == 2);
    const Status status = lend ? LendFor(engine, group, data.data(), count)
                               : SubmitAndWait(engine, group, data.data(), count);
    if (!status.ok()) return status;
    const int size = engine->size();
    const Sawtooth sum{0, size * call + size * (size - 1) / 2};
    const auto right = sum.IsIn(DType::kFloat32, data.data(), count);
    if (!right) return Internal(std::string("wrong sum ") + right.message());
  }
  return OkStatus();
}

void Register(Engine* engine, int users) {
  for (int user = 0; user < users; ++user) {
    for (int call = 0; call < 8; ++call) {
      const int64_t count = CountOf(user, call);
      uint64_t group;
      ASSERT_TRUE(
          engine->RegisterGroup(OneTensor(KeyOf(user, count), DType::kFloat32, {count}), &group)
              .ok());
    }
  }
}

// Runs `users` users on every rank; `meanwhile` runs beside them. Returns the users' ends.
std::vector<Status> RunUsers(World* world, int users, int calls,
                             const std::function<void()>& meanwhile) {
  for (int rank = 0; rank < world->size(); ++rank) Register(&(*world)[rank], users);
  std::vector<Status> ends(world->size() * users);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world->size(); ++rank) {
    for (int user = 0; user < users; ++user) {
      threads.emplace_back(
          [=, &ends] { ends[rank * users + user] = Use(&(*world)[rank], user, calls); });
    }
  }
  meanwhile();
  for (std::thread& thread : threads) thread.join();
  return ends;
}

class Lend : public testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  int size() const { return std::get<0>(GetParam()); }
  bool pull() const { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Ranks, Lend, testing::Combine(testing::Values(2, 3), testing::Bool()),
                         [](const auto& info) {
                           return std::to_string(std::get<0>(info.param)) +
                                  (std::get<1>(info.param) ? "_pull" : "_ring");
                         });

TEST_P(Lend, LendersAndOthersAtOnce) {
  World world(size(), EngineOptions(), pull());
  const auto ends = RunUsers(&world, 5, 60, [] {});
  for (const Status& end : ends) ASSERT_TRUE(end.ok()) << end.message();
}

TEST_P(Lend, OneLenderAlone) {
  World world(size(), EngineOptions(), pull());
  const auto ends = RunUsers(&world, 1, kSanitized ? 100 : 300, [] {});
  for (const Status& end : ends) ASSERT_TRUE(end.ok()) << end.message();
}

TEST_P(Lend, ShutdownInTheMiddle) {
  std::mt19937 random(size());
  for (int round = 0; round < kRounds; ++round) {
    World world(size(), EngineOptions(), pull());
    const int leaves = round % size();
    const auto ends = RunUsers(&world, 3, 1000000, [&] {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
      world[leaves].Shutdown();
    });
    for (size_t i = 0; i < ends.size(); ++i) {
      const bool own = static_cast<int>(i) / 3 == leaves;
      EXPECT_EQ(ends[i].code(), own ? Code::kFailedPrecondition : Code::kUnavailable)
          << ends[i].message();
    }
  }
}

TEST_P(Lend, AbortInTheMiddle) {
  std::mt19937 random(size() + 100);
  for (int round = 0; round < kRounds; ++round) {
    World world(size(), EngineOptions(), pull());
    const int aborts = round % size();
    const auto ends = RunUsers(&world, 3, 1000000, [&] {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
      world[aborts].Abort(InvalidArgument("the test ends here"));
    });
    for (const Status& end : ends) {
      EXPECT_EQ(end.code(), Code::kInvalidArgument) << end.message();
      EXPECT_NE(end.message().find("rank " + std::to_string(aborts)), std::string::npos);
      EXPECT_NE(end.message().find("the test ends here"), std::string::npos) << end.message();
    }
  }
}

// A thread that has lent itself sees what others submit, and what it leaves undone is taken over.
TEST_P(Lend, OthersCallsAreCarriedOutWhileAThreadIsLent) {
  World world(size(), EngineOptions(), pull());
  world.Run([&](int rank, Engine& engine) {
    uint64_t groups[2];
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(
          engine
              .RegisterGroup(OneTensor("g" + std::to_string(i), DType::kFloat32, {100}), &groups[i])
              .ok());
    }
    for (int call = 0; call < (kSanitized ? 70 : 200); ++call) {
      std::vector<float> lent(100, 1), other(100, 2);
      Latch latch(2);
      std::atomic<bool> finished{false};
      std::thread second([&] {
        engine.AllReduce(groups[1], 0, other.data(), other.data(), 100, latch.Callback());
      });
      const auto note = latch.Callback();
      engine.Lend(
          [&] {
            engine.AllReduce(groups[0], 0, lent.data(), lent.data(), 100,
                             [&](const Status& status) {
                               finished.store(true);
                               note(status);
                             });
          },
          [&] { return finished.load(); });
      second.join();
      const Status status = latch.Wait(kBound);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_EQ(lent[99], static_cast<float>(engine.size())) << "rank " << rank;
      ASSERT_EQ(other[99], static_cast<float>(2 * engine.size()));
    }
  });
}

TEST(LendAndEnd, AfterShutdownTheCallEndsAtOnce) {
  World world(2);
  uint64_t group;
  ASSERT_TRUE(world[0].RegisterGroup(OneTensor("late", DType::kFloat32, {4}), &group).ok());
  world[0].Shutdown();
  float data[4] = {};
  const Status status = LendFor(&world[0], group, data, 4);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition) << status.message();
}

// A stall is noticed by whoever drives, also if that is a lent thread first.
TEST(LendAndEnd, DeadlinesHold) {
  EngineOptions options;
  options.timeout = 1;
  World world(2, options);
  uint64_t group;
  for (int rank = 0; rank < 2; ++rank) {
    ASSERT_TRUE(world[rank].RegisterGroup(OneTensor("alone", DType::kFloat32, {4}), &group).ok());
  }
  float data[4] = {};
  const auto begin = Clock::now();
  const Status status = LendFor(&world[0], group, data, 4);
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded) << status.message();
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(900));
}

TEST(LendAndEnd, AForkMeanwhileDisturbsNobody) {
  World world(2);
  const auto ends = RunUsers(&world, 3, 150, [] {
    for (int i = 0; i < 5; ++i) {
      const pid_t child = fork();
      if (child == 0) _exit(7);
      ASSERT_GT(child, 0);
      int how = 0;
      ASSERT_EQ(waitpid(child, &how, 0), child);
      ASSERT_TRUE(WIFEXITED(how) && WEXITSTATUS(how) == 7) << how;
    }
  });
  for (const Status& end : ends) ASSERT_TRUE(end.ok()) << end.message();
}

// Whatever wake-ups came before and whoever took them in: a later one ends a sleep.
TEST(Wake, NoneIsLost) {
  std::vector<std::unique_ptr<Communicator>> communicators;
  ASSERT_TRUE(CreateLoopbackCommunicators(2, true, nullptr, CommOptions(), &communicators).ok());
  Communicator* const communicator = communicators[0].get();
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> wakers;
    for (int i = 0; i < 3; ++i) {
      wakers.emplace_back([&] {
        while (!stop.load()) communicator->Wake();
      });
    }
    for (int i = 0; i < (kSanitized ? 200 : 1000); ++i) {
      communicator->Sleep(DeadlineIn(0.001));
      communicator->AfterSleep();
    }
    stop.store(true);
    for (std::thread& waker : wakers) waker.join();
    // What is left of those, then nothing, then one more.
    do {
      communicator->AfterSleep();
      communicator->Sleep(DeadlineIn(0));
      const auto begin = Clock::now();
      communicator->AfterSleep();
      communicator->Sleep(DeadlineIn(0.02));
      if (Clock::now() - begin >= std::chrono::milliseconds(20)) break;
    } while (true);
    communicator->AfterSleep();
    communicator->Wake();
    const auto begin = Clock::now();
    communicator->Sleep(DeadlineIn(5));
    communicator->AfterSleep();
    ASSERT_LT(Clock::now() - begin, std::chrono::seconds(4)) << "in round " << round;
  }
}

}  // namespace
}  // namespace tf_ddl
