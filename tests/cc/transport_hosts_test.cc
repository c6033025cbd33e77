// Several hosts: network namespaces made by benchmarks/hosts.sh, a rank on each. Needs root.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "time_limits.h"
#include "transport_harness.h"

#ifndef DDL_SOURCE_DIR  // Bazel runs tests where the sources are
#define DDL_SOURCE_DIR "."
#endif

namespace tf_ddl {
namespace {

constexpr int kPort = 29470;
constexpr double kTestSeconds = 60;

int Shell(const std::string& command) { return std::system(command.c_str()); }

class HostsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
    // In some containers they can be made but not entered, or not made at all.
    const std::string probe = "ddl-probe-" + std::to_string(getpid());
    const bool usable = Shell("(ip netns add " + probe + " && ip netns exec " + probe +
                              " true) > /dev/null 2>&1") == 0;
    Shell("ip netns delete " + probe + " > /dev/null 2>&1");
    if (!usable) GTEST_SKIP() << "there are no network namespaces here";
  }

  void TearDown() override {
    for (const auto& [rank, pid] : children_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    const int down = up_ ? Script("down " + name_) : 0;
    EXPECT_EQ(down, 0);
  }

  static int Script(const std::string& arguments) {
    return Shell(std::string("bash " DDL_SOURCE_DIR "/benchmarks/hosts.sh ") + arguments);
  }

  void Up(int hosts, const std::string& rates) {
    hosts_ = hosts;
    up_ = true;
    ASSERT_EQ(Script("up " + name_ + " --hosts " + std::to_string(hosts) + " --rates " + rates), 0);
  }
  // Runs ip(8) on every host; "#" stands for the host's number + 1.
  void IpOnEveryHost(const std::string& arguments) {
    for (int host = 0; host < hosts_; ++host) {
      std::string own = arguments;
      for (size_t at; (at = own.find('#')) != std::string::npos;) {
        own.replace(at, 1, std::to_string(host + 1));
      }
      ASSERT_EQ(Shell("ip -n ddl-" + name_ + "-" + std::to_string(host) + " " + own), 0) << own;
    }
  }

  // Starts rank `host` on that host: it connects and lives. The process ends with 0 if all went
  // well.
  void Start(int host, JobConfig config, const std::function<void(Node*)>& life) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid > 0) {
      children_[host] = pid;
      return;
    }
    const std::string path = "/var/run/netns/ddl-" + name_ + "-" + std::to_string(host);
    const Fd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (setns(space.get(), CLONE_NEWNET) != 0) _exit(2);
    config.rank = host;
    config.size = hosts_;
    config.rendezvous = "10.1.0.1:" + std::to_string(kPort);
    config.secret = kSecret;
    config.join_timeout = 20;
    Mesh mesh;
    const Deadline begun = Clock::now();
    const Status status = ConnectMesh(config, &mesh);
    join_seconds_ = SecondsSince(begun);
    EXPECT_TRUE(status.ok()) << status.message();
    if (status.ok()) {
      Node node(std::move(mesh));
      life(&node);
      if (node.failures.empty()) {
        // Until all have seen what they wanted to.
        for (int peer = 0; peer < hosts_; ++peer) {
          if (peer != host) node.to(peer).SendControl(ControlKind::kBye, "");
        }
        node.Run([&] { return node.byes.size() + 1 == static_cast<size_t>(hosts_); }, 10);
      }
    }
    std::fflush(nullptr);
    _exit(HasFailure() ? 1 : 0);
  }
  void StartAll(const JobConfig& config, const std::function<void(int host, Node*)>& life) {
    for (int host = 0; host < hosts_; ++host) {
      Start(host, config, [&, host](Node* node) { life(host, node); });
    }
  }
  void ExpectAllEndWell() {
    const Deadline deadline = DeadlineIn(kTestSeconds);
    while (!children_.empty() && Clock::now() < deadline) {
      for (auto it = children_.begin(); it != children_.end();) {
        int result = -1;
        if (waitpid(it->second, &result, WNOHANG) == 0) {
          ++it;
          continue;
        }
        EXPECT_EQ(result, 0) << "host " << it->first;
        it = children_.erase(it);
      }
      usleep(5000);
    }
    EXPECT_TRUE(children_.empty()) << "a rank did not end in time";
  }

  const std::string name_ = "t" + std::to_string(getpid() % 100000) + "x" + std::to_string(next_++);
  double join_seconds_ = 0;  // in a child
  static inline int next_ = 0;

 private:
  int hosts_ = 0;
  bool up_ = false;
  std::map<int, pid_t> children_;
};

// Payload per second over an interval, by rail.
struct Rates {
  std::map<int, double> acked, busy;
  void Add(const std::vector<LinkStats>& links, double sign) {
    std::map<int, double> most;
    for (const LinkStats& link : links) {
      acked[link.rail] += sign * static_cast<double>(link.bytes_acked);
      most[link.rail] = std::max(most[link.rail], link.busy_seconds);
    }
    for (const auto& [rail, seconds] : most) busy[rail] += sign * seconds;
  }
  double Mbit(int rail) { return acked[rail] * 8e-6 / busy[rail]; }
};

// Rank 0 sends `messages[rail]` messages of 256 KiB on each rail to rank 1, which receives them.
void Stream(int host, Node* node, const std::vector<int>& messages, Rates* rates = nullptr) {
  const size_t n = 256 << 10;
  std::vector<uint8_t> message = Pattern(n, 1);
  std::vector<std::unique_ptr<CopySink>> sinks;
  int pending = 0;
  for (size_t rail = 0; rail < messages.size(); ++rail) {
    for (int i = 0; i < messages[rail]; ++i) {
      const Tag tag = {1, rail, static_cast<uint64_t>(i)};
      ++pending;
      if (host == 0) {
        node->to(1).Send(tag, static_cast<int>(rail), {{message.data(), n}}, [&] { --pending; });
      } else {
        sinks.push_back(std::make_unique<CopySink>(n));
        node->to(0).Receive(tag, sinks.back().get(), [&] { --pending; });
      }
    }
  }
  if (rates != nullptr) {
    // Not the first moments, in which the shapers' buckets are full, nor the last.
    node->Run([] { return false; }, 0.5);
    rates->Add(node->to(1).Links(), -1);
    node->Run([] { return false; }, 1.0);
    rates->Add(node->to(1).Links(), 1);
  }
  EXPECT_TRUE(node->Run([&] { return pending == 0; }, 30));
  for (const auto& sink : sinks) EXPECT_TRUE(sink->data == message);
}

TEST_F(HostsTest, TwoRailsAreFoundAndTheirRatesAreMeasured) {
  for (const int sockets : {1, 2}) {
    SCOPED_TRACE(sockets);
    Up(2, "200,80");
    JobConfig config;
    config.sockets_per_rail = sockets;
    StartAll(config, [sockets](int host, Node* node) {
      EXPECT_EQ(node->mesh().rails, (std::vector<std::string>{"10.1.0.0/24", "10.2.0.0/24"}));
      Pair& pair = node->to(1 - host);
      EXPECT_STREQ(pair.transport(), "tcp");
      EXPECT_EQ(pair.rails(), 2);
      EXPECT_EQ(pair.num_sockets(), 1 + 2 * sockets);
      Rates rates;
      Stream(host, node, {200, 80}, host == 0 ? &rates : nullptr);
      for (const LinkStats& link : pair.Links()) {
        const std::string network = "10." + std::to_string(link.rail + 1) + ".0.";
        EXPECT_EQ(link.interface, "eth" + std::to_string(link.rail));
        EXPECT_EQ(link.address, network + std::to_string(host + 1));
        EXPECT_EQ(link.peer_address, network + std::to_string(2 - host));
      }
#ifndef TF_DDL_SANITIZED  // with it the ranks may be slower than the links
      if (host == 0) {
        ExpectRate(rates.Mbit(0), 200);
        ExpectRate(rates.Mbit(1), 80);
      }
#endif
    });
    ExpectAllEndWell();
    EXPECT_EQ(Script("down " + name_), 0);
  }
}

TEST_F(HostsTest, AllPairsOfFourHosts) {
  Up(4, "0,0,0");
  StartAll(JobConfig(), [](int host, Node* node) {
    const size_t n = 1 << 20;
    std::vector<uint8_t> message = Pattern(n, 1);
    std::vector<std::unique_ptr<CopySink>> sinks;
    int done = 0;
    for (int peer = 0; peer < 4; ++peer) {
      if (peer == host) continue;
      ASSERT_EQ(node->to(peer).rails(), 3);
      for (int rail = 0; rail < 3; ++rail) {
        const Tag tag = {1, 1, static_cast<uint64_t>(rail)};
        sinks.push_back(std::make_unique<CopySink>(n));
        node->to(peer).Send(tag, rail, {{message.data(), n}}, [&] { ++done; });
        node->to(peer).Receive(tag, sinks.back().get(), [&] { ++done; });
      }
    }
    EXPECT_TRUE(node->Run([&] { return done == 18; }));
    for (const auto& sink : sinks) EXPECT_TRUE(sink->data == message);
  });
  ExpectAllEndWell();
}

TEST_F(HostsTest, OnlyTheInterfacesThatAreAllowed) {
  Up(2, "0,0");
  JobConfig config;
  config.interfaces = "eth1";
  StartAll(config, [](int host, Node* node) {
    EXPECT_EQ(node->mesh().rails, std::vector<std::string>{"10.2.0.0/24"});
    Stream(host, node, {4});
    for (const LinkStats& link : node->to(1 - host).Links()) EXPECT_EQ(link.interface, "eth1");
    EXPECT_EQ(LocalAddress(node->to(1 - host).fd(0)).Host(), "10.2.0." + std::to_string(host + 1));
  });
  ExpectAllEndWell();
}

// As Docker makes them: every host has a network of the same name, which ends at the host.
TEST_F(HostsTest, NetworksThatOnlyLookCommonAreDropped) {
  Up(3, "0,0");
  // One with the same address everywhere, and one with different addresses.
  for (const std::string network : {"172.17.0.1/16", "172.18.0.#/16"}) {
    const std::string link = "docker" + network.substr(5, 1);
    IpOnEveryHost("link add " + link + " type veth peer name " + link + "p");
    IpOnEveryHost("link set " + link + "p up");
    IpOnEveryHost("link set " + link + " up");
    IpOnEveryHost("address add " + network + " dev " + link);
  }
  StartAll(JobConfig(), [this](int host, Node* node) {
    EXPECT_EQ(node->mesh().peers[host].interfaces.size(), 4u);
    EXPECT_EQ(node->mesh().rails, (std::vector<std::string>{"10.1.0.0/24", "10.2.0.0/24"}));
    EXPECT_LT(join_seconds_, Limit(5));
    if (host < 2) Stream(host, node, {2, 2});
  });
  ExpectAllEndWell();
}

TEST_F(HostsTest, HostsWithoutACommonNetworkGoByTheRoutingTables) {
  Up(2, "0");
  IpOnEveryHost("address flush dev eth0");
  IpOnEveryHost("address add 10.1.0.#/32 dev eth0");
  IpOnEveryHost("route add 10.1.0.0/24 dev eth0");
  for (const int sockets : {1, 2}) {
    JobConfig config;
    config.sockets_per_rail = sockets;
    StartAll(config, [sockets](int host, Node* node) {
      EXPECT_EQ(node->mesh().rails, std::vector<std::string>{""});
      EXPECT_EQ(node->to(1 - host).rails(), 1);
      Stream(host, node, {8});
      EXPECT_EQ(node->to(1 - host).Links().size(), static_cast<size_t>(sockets));
    });
    ExpectAllEndWell();
  }
}

TEST_F(HostsTest, ANetworkThatGoesSilentIsNamed) {
  Up(2, "0,0");
  JobConfig config;
  config.silence_timeout = 3;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  StartAll(config, [&](int host, Node* node) {
    Stream(host, node, {2, 2});
    ASSERT_EQ(write(ready[1], "x", 1), 1);
    // Rank 0 always has something under way on eth1.
    std::vector<uint8_t> message(1 << 20);
    uint64_t count = 0;
    std::function<void()> next = [&] {
      usleep(1000);
      node->to(1).Send({9, count++, 0}, 1, {{message.data(), message.size()}}, next);
    };
    if (host == 0) next();
    EXPECT_TRUE(node->Run([&] { return !node->failures.empty(); }, 15));
    ASSERT_EQ(node->failures.size(), 1u);
    const Status& status = node->failures[0].second;
    // Who notices first tells the other, as an engine does.
    node->to(1 - host).SendControl(ControlKind::kAbort, "2\n" + status.message());
    node->to(1 - host).Close(500);
    EXPECT_EQ(status.code(), Code::kUnavailable);
    for (const char* part : {"lost connection to rank ", "its host does not answer", "10.2.0.1",
                             "10.2.0.2", "(eth1)"}) {
      EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
    }
  });
  char byte;
  for (int i = 0; i < 2; ++i) ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(Script("link " + name_ + " 1 eth1 down"), 0);
  const Deadline begun = Clock::now();
  ExpectAllEndWell();
  EXPECT_LT(SecondsSince(begun), Limit(12));
}

}  // namespace
}  // namespace tf_ddl
