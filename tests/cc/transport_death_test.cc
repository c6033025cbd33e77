// Ranks as forked processes, one of which dies.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "time_limits.h"
#include "transport_harness.h"

namespace tf_ddl {
namespace {

// Forks rank 1, which connects and then runs `life`; returns its pid and rank 0's node.
class DeathTest : public ::testing::TestWithParam<Kind> {
 protected:
  JobConfig ConfigOf(int rank) const {
    JobConfig config = Config(rank, 2, port_);
    config.use_shared_memory = GetParam() == Kind::kCma || GetParam() == Kind::kShm;
    config.use_cma = GetParam() == Kind::kCma;
    config.sockets_per_rail = GetParam() == Kind::kSockets ? 3 : 1;
    return config;
  }

  void Start(const std::function<void(Node*)>& life) {
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      Mesh mesh;
      if (!ConnectMesh(ConfigOf(1), &mesh).ok()) _exit(3);
      Node node(std::move(mesh));
      life(&node);
      _exit(node.failures.empty() ? 0 : 1);
    }
    Mesh mesh;
    const Status status = ConnectMesh(ConfigOf(0), &mesh);
    ASSERT_TRUE(status.ok()) << status.message();
    node_ = std::make_unique<Node>(std::move(mesh));
  }

  void TearDown() override {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }

  void ExpectLossIsNamed() {
    ASSERT_EQ(node_->failures.size(), 1u);
    EXPECT_EQ(node_->failures[0].first, 1);
    const Status& status = node_->failures[0].second;
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_NE(status.message().find("lost connection to rank 1 (host "), std::string::npos);
    EXPECT_NE(status.message().find("pid " + std::to_string(child_) + ")"), std::string::npos)
        << status.message();
    EXPECT_TRUE(node_->byes.empty());
  }

  const int port_ = FreePort();
  pid_t child_ = -1;
  std::unique_ptr<Node> node_;
};

TEST_P(DeathTest, TransportIsTheOneUnderTest) {
  Start([](Node* node) { node->Run([&] { return !node->byes.empty(); }, 5); });
  EXPECT_EQ(node_->to(1).transport(), std::string(GetParam() == Kind::kCma   ? "cma"
                                                  : GetParam() == Kind::kShm ? "shm"
                                                                             : "tcp"));
  node_->to(1).SendControl(ControlKind::kBye, "");
  node_->to(1).Close(1000);
}

TEST_P(DeathTest, MessagesBetweenProcesses) {
  const size_t n = (3 << 20) + 7;
  Start([n](Node* node) {
    CopySink in(n, {99, 70000});
    int done = 0;
    node->to(0).Receive({1, 0, 0}, &in, [&] { ++done; });
    node->Run([&] { return done == 1; });
    node->to(0).Send({1, 1, 0}, 0, Cut(in.data.data(), n, {12345}), [&] { ++done; });
    node->Run([&] { return done == 2 && !node->byes.empty(); });
  });
  std::vector<uint8_t> message = Pattern(n, 1);
  AddSink back(n);
  int done = 0;
  node_->to(1).Send({1, 0, 0}, 0, Cut(message.data(), n, {77777}), [&] { ++done; });
  node_->to(1).Receive({1, 1, 0}, &back, [&] { ++done; });
  EXPECT_TRUE(node_->Run([&] { return done == 2; }));
  EXPECT_TRUE(back.data == message);
  node_->to(1).SendControl(ControlKind::kBye, "");
  node_->to(1).Close(1000);
}

TEST_P(DeathTest, KilledWhileNothingHappens) {
  Start([](Node* node) { node->Run([] { return false; }, 60); });
  node_->Run([] { return false; }, 0.1);
  kill(child_, SIGKILL);
  const Deadline killed = Clock::now();
  EXPECT_TRUE(node_->Run([&] { return !node_->failures.empty(); }, 5));
  EXPECT_LT(SecondsSince(killed), Limit(1));
  ExpectLossIsNamed();
}

TEST_P(DeathTest, KilledInTheMiddleOfMessages) {
  const size_t n = 4 << 20;
  Start([n](Node* node) {  // sends without end, receives nothing
    std::vector<uint8_t> out = Pattern(n, 1);
    for (uint64_t i = 0;; ++i) {
      bool sent = false;
      node->to(0).Send({1, i, 0}, 0, {{out.data(), n}}, [&] { sent = true; });
      if (!node->Run([&] { return sent; }, 30)) return;
    }
  });
  std::vector<uint8_t> out(n);
  node_->to(1).Send({9, 0, 0}, 0, {{out.data(), n}}, [] {});
  CopySink in(n);
  uint64_t received = 0;
  std::function<void()> next = [&] {
    node_->to(1).Receive({1, received, 0}, &in, [&] {
      ++received;
      next();
    });
  };
  next();
  ASSERT_TRUE(node_->Run([&] { return received >= 5; }));
  kill(child_, SIGKILL);
  const Deadline killed = Clock::now();
  EXPECT_TRUE(node_->Run([&] { return !node_->failures.empty(); }, 5));
  EXPECT_LT(SecondsSince(killed), Limit(1));
  ExpectLossIsNamed();
}

// A forked helper has copies of everything that its parent had open.
TEST_P(DeathTest, KilledWhileAForkedHelperLivesOn) {
  Start([](Node* node) {
    const pid_t helper = fork();
    if (helper == 0) {
      sleep(60);
      _exit(0);
    }
    node->to(0).SendControl(ControlKind::kGroup, std::to_string(helper));
    node->Run([] { return false; }, 60);
  });
  ASSERT_TRUE(node_->Run([&] { return !node_->controls.empty(); }));
  const pid_t helper = std::stoi(node_->controls[0].payload);
  kill(child_, SIGKILL);
  const Deadline killed = Clock::now();
  EXPECT_TRUE(node_->Run([&] { return !node_->failures.empty(); }, 5));
  EXPECT_LT(SecondsSince(killed), Limit(1));
  ExpectLossIsNamed();
  EXPECT_EQ(kill(helper, SIGKILL), 0);
}

// A helper that ends, and with it its copy of the pair, does not disturb its parent's.
TEST_P(DeathTest, AForkedHelperThatEndsIsNoLoss) {
  Start([](Node* node) { node->Run([&] { return !node->byes.empty(); }, 60); });
  const pid_t helper = fork();
  if (helper == 0) {
    node_.reset();
    _exit(0);
  }
  waitpid(helper, nullptr, 0);
  const size_t n = 1 << 20;
  std::vector<uint8_t> message(n);
  node_->to(1).Send({1, 1, 1}, 0, {{message.data(), n}}, [] {});
  node_->Run([] { return false; }, 0.1);
  EXPECT_TRUE(node_->failures.empty());
  node_->to(1).SendControl(ControlKind::kBye, "");
  node_->to(1).Close(1000);
  int result = -1;
  waitpid(child_, &result, 0);
  child_ = -1;
  EXPECT_EQ(result, 0);
}

TEST_P(DeathTest, ExitWithoutGoodbyeIsALossToo) {
  Start([](Node*) {});
  EXPECT_TRUE(node_->Run([&] { return !node_->failures.empty(); }, 5));
  ExpectLossIsNamed();
}

TEST_P(DeathTest, ExitAfterGoodbyeIsNone) {
  Start([](Node* node) {
    node->to(0).SendControl(ControlKind::kBye, "");
    node->to(0).Close(1000);
  });
  EXPECT_TRUE(node_->Run([&] { return !node_->byes.empty(); }, 5));
  node_->Run([] { return false; }, 0.2);
  EXPECT_TRUE(node_->failures.empty());
}

TEST_P(DeathTest, AStoppedPeerIsNotADeadOne) {
  Start([](Node* node) { node->Run([] { return false; }, 60); });
  kill(child_, SIGSTOP);
  std::vector<uint8_t> out(1 << 20);
  node_->to(1).Send({1, 0, 0}, 0, {{out.data(), out.size()}}, [] {});
  node_->Run([] { return false; }, 0.3);
  EXPECT_TRUE(node_->failures.empty());
  kill(child_, SIGKILL);
  EXPECT_TRUE(node_->Run([&] { return !node_->failures.empty(); }, 5));
  ExpectLossIsNamed();
}

INSTANTIATE_TEST_SUITE_P(Kinds, DeathTest,
                         ::testing::Values(Kind::kCma, Kind::kShm, Kind::kTcp, Kind::kSockets),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace tf_ddl
