// ConnectMesh between ranks that are threads of this process, with and without disturbance.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "rendezvous/handshake.h"
#include "transport_harness.h"

namespace tf_ddl {
namespace {

bool Says(const Status& status, const std::string& text) {
  return status.message().find(text) != std::string::npos;
}

TEST(MeshTest, AWorldOfOneNeedsNothing) {
  JobConfig config;
  Mesh mesh;
  ASSERT_TRUE(ConnectMesh(config, &mesh).ok());
  ASSERT_EQ(mesh.pairs.size(), 1u);
  EXPECT_EQ(mesh.pairs[0], nullptr);
  ASSERT_EQ(mesh.peers.size(), 1u);
  EXPECT_EQ(mesh.peers[0].pid, getpid());
}

TEST(MeshTest, TransportsAreAsConfigured) {
  for (const Kind kind : {Kind::kCma, Kind::kShm, Kind::kTcp}) {
    std::vector<Mesh> meshes = MakeMeshes(kind, 3);
    ASSERT_EQ(meshes.size(), 3u);
    const std::string name = kind == Kind::kCma ? "cma" : kind == Kind::kShm ? "shm" : "tcp";
    for (int rank = 0; rank < 3; ++rank) {
      for (int peer = 0; peer < 3; ++peer) {
        if (peer == rank) {
          EXPECT_EQ(meshes[rank].pairs[peer], nullptr);
          continue;
        }
        const Pair& pair = *meshes[rank].pairs[peer];
        EXPECT_EQ(pair.peer(), peer);
        EXPECT_EQ(pair.transport(), name);
        EXPECT_TRUE(pair.same_host());
        EXPECT_EQ(pair.can_pull(), kind == Kind::kCma);
      }
      EXPECT_EQ(meshes[rank].store != nullptr, rank == 0);
      ASSERT_EQ(meshes[rank].peers.size(), 3u);
    }
  }
}

TEST(MeshTest, SeveralSocketsForEveryRail) {
  std::vector<Mesh> meshes = MakeMeshes(Kind::kSockets, 3);
  ASSERT_EQ(meshes.size(), 3u);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(meshes[rank].rails, std::vector<std::string>{""});
    for (const auto& pair : meshes[rank].pairs) {
      if (pair == nullptr) continue;
      EXPECT_EQ(pair->rails(), 1);
      EXPECT_EQ(pair->num_sockets(), 4);
      EXPECT_EQ(pair->Links().size(), 3u);
    }
  }
  // Where there is shared memory they would be of no use.
  std::vector<JobConfig> configs;
  const int port = FreePort();
  for (int rank = 0; rank < 2; ++rank) configs.push_back(Config(rank, 2, port));
  for (JobConfig& config : configs) config.sockets_per_rail = 2;
  for (const Status& status : ConnectAll(configs, &meshes)) ASSERT_TRUE(status.ok());
  EXPECT_EQ(meshes[0].pairs[1]->num_sockets(), 1);
}

TEST(MeshTest, EveryRankHasTheSameNumberOfSockets) {
  const int port = FreePort();
  std::vector<JobConfig> configs = {Config(0, 2, port), Config(1, 2, port)};
  configs[1].sockets_per_rail = 2;
  std::vector<Mesh> meshes;
  for (const Status& status : ConnectAll(configs, &meshes)) {
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_TRUE(Says(status, "DDL_SOCKETS_PER_RAIL")) << status.message();
  }
  for (const int sockets : {0, -1, 65}) {
    configs[0].sockets_per_rail = sockets;
    Mesh mesh;
    EXPECT_EQ(ConnectMesh(configs[0], &mesh).code(), Code::kInvalidArgument);
  }
}

TEST(MeshTest, AnInterfaceThatIsNotThereIsNamed) {
  JobConfig config = Config(0, 2, FreePort());
  config.interfaces = "nosuch0";
  Mesh mesh;
  const Status status = ConnectMesh(config, &mesh);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_TRUE(Says(status, "DDL_INTERFACES names nosuch0; host ")) << status.message();
}

TEST(MeshTest, RanksThatDisagreeAboutMemoryUseWhatBothCan) {
  const int port = FreePort();
  std::vector<JobConfig> configs;
  for (int rank = 0; rank < 3; ++rank) configs.push_back(Config(rank, 3, port));
  configs[0].use_shared_memory = false;
  configs[1].use_cma = false;
  std::vector<Mesh> meshes;
  for (const Status& status : ConnectAll(configs, &meshes)) {
    ASSERT_TRUE(status.ok()) << status.message();
  }
  EXPECT_STREQ(meshes[0].pairs[1]->transport(), "tcp");
  EXPECT_STREQ(meshes[1].pairs[0]->transport(), "tcp");
  EXPECT_STREQ(meshes[2].pairs[0]->transport(), "tcp");
  EXPECT_STREQ(meshes[1].pairs[2]->transport(), "shm");
  EXPECT_STREQ(meshes[2].pairs[1]->transport(), "shm");
}

TEST(MeshTest, NineRanksAllToAll) {
  for (const Kind kind : {Kind::kMemory, Kind::kCma, Kind::kTcp, Kind::kSockets}) {
    constexpr int kSize = 9;
    const size_t n = 40000;
    std::vector<Mesh> meshes = MakeMeshes(kind, kSize);
    ASSERT_EQ(meshes.size(), static_cast<size_t>(kSize));
    std::atomic<int> finished{0};
    std::vector<std::thread> threads;
    for (int rank = 0; rank < kSize; ++rank) {
      threads.emplace_back([&, rank] {
        Node node(std::move(meshes[rank]));
        std::vector<std::vector<uint8_t>> out(kSize);
        std::vector<std::unique_ptr<CopySink>> in(kSize);
        int done = 0;
        for (int peer = 0; peer < kSize; ++peer) {
          if (peer == rank) continue;
          out[peer] = Pattern(n, rank * 100 + peer);
          in[peer] = std::make_unique<CopySink>(n);
          node.to(peer).Send({1, 2, 3}, 0, {{out[peer].data(), n}}, [&] { ++done; });
          node.to(peer).Receive({1, 2, 3}, in[peer].get(), [&] { ++done; });
        }
        EXPECT_TRUE(node.Run([&] { return done == 2 * (kSize - 1); }));
        for (int peer = 0; peer < kSize; ++peer) {
          if (peer == rank) continue;
          EXPECT_TRUE(in[peer]->data == Pattern(n, peer * 100 + rank)) << rank << " " << peer;
        }
        ++finished;
        node.Run([&] { return finished == kSize; }, 5);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(MeshTest, ConfigurationErrorsAreSaidAtOnce) {
  Mesh mesh;
  JobConfig config = Config(2, 2, 1);
  EXPECT_EQ(ConnectMesh(config, &mesh).code(), Code::kInvalidArgument);
  config = Config(0, 0, 1);
  EXPECT_EQ(ConnectMesh(config, &mesh).code(), Code::kInvalidArgument);
  config = Config(0, 2, 1);
  config.secret.clear();
  EXPECT_TRUE(Says(ConnectMesh(config, &mesh), "DDL_SECRET"));
  for (const int rank : {0, 1}) {
    config = Config(rank, 2, 1);
    config.rendezvous = "not an address";
    const Status status = ConnectMesh(config, &mesh);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_TRUE(Says(status, "DDL_RENDEZVOUS"));
  }
}

TEST(MeshTest, PortInUse) {
  Fd taken;
  int port = 0;
  ASSERT_TRUE(Listen("127.0.0.1", 0, &taken, &port).ok());
  Mesh mesh;
  const Status status = ConnectMesh(Config(0, 2, port), &mesh);
  EXPECT_EQ(status.code(), Code::kAlreadyExists);
  EXPECT_TRUE(Says(status, "port " + std::to_string(port))) << status.message();
}

TEST(MeshTest, AMissingRankIsNamedOnEveryRank) {
  const int port = FreePort();
  std::vector<JobConfig> configs = {Config(0, 3, port), Config(2, 3, port)};
  for (JobConfig& config : configs) config.join_timeout = 2.0;
  std::vector<Mesh> meshes;
  for (const Status& status : ConnectAll(configs, &meshes)) {
    EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
    EXPECT_TRUE(Says(status, "rank 1 of 3 did not come")) << status.message();
  }
}

TEST(MeshTest, WrongSecretWrongSizeAndTwiceTheSameRank) {
  const int port = FreePort();
  std::vector<JobConfig> configs = {Config(0, 2, port), Config(1, 2, port), Config(1, 3, port)};
  configs[0].join_timeout = 3.0;
  configs[1].secret = "a wrong one";
  std::vector<Mesh> meshes;
  auto statuses = ConnectAll(configs, &meshes);
  EXPECT_EQ(statuses[0].code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(Says(statuses[0], "wrong secret")) << statuses[0].message();
  EXPECT_EQ(statuses[1].code(), Code::kPermissionDenied);
  EXPECT_EQ(statuses[2].code(), Code::kInvalidArgument);

  configs = {Config(0, 3, port), Config(1, 3, port), Config(1, 3, port)};
  configs[0].join_timeout = 3.0;
  statuses = ConnectAll(configs, &meshes);
  EXPECT_EQ(statuses[0].code(), Code::kDeadlineExceeded);
  const bool second_refused = statuses[2].code() == Code::kAlreadyExists;
  EXPECT_EQ(statuses[second_refused ? 2 : 1].code(), Code::kAlreadyExists);
  EXPECT_EQ(statuses[second_refused ? 1 : 2].code(), Code::kDeadlineExceeded);
}

// From now on this process is refused process_vm_readv, as some container runtimes refuse it.
bool ForbidCma() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {static_cast<unsigned short>(std::size(code)), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

TEST(MeshTest, WhereOneRankMayNotReadMemoryBothUseRings) {
  const int port = FreePort();
  const pid_t child = fork();
  if (child == 0) {
    if (!ForbidCma()) _exit(77);
    Mesh mesh;
    if (!ConnectMesh(Config(1, 2, port), &mesh).ok()) _exit(1);
    Node node(std::move(mesh));
    const bool shm = node.to(0).transport() == std::string("shm");
    std::vector<uint8_t> message = Pattern(1 << 20, 1);
    bool sent = false;
    node.to(0).Send({1, 1, 1}, 0, {{message.data(), message.size()}}, [&] { sent = true; });
    const bool left = node.Run([&] { return sent && !node.byes.empty(); });
    _exit(shm && left ? 0 : 2);
  }
  Mesh mesh;
  const Status status = ConnectMesh(Config(0, 2, port), &mesh);
  if (status.ok()) {
    Node node(std::move(mesh));
    EXPECT_STREQ(node.to(1).transport(), "shm");
    EXPECT_FALSE(node.to(1).can_pull());
    CopySink sink(1 << 20);
    bool received = false;
    node.to(1).Receive({1, 1, 1}, &sink, [&] { received = true; });
    EXPECT_TRUE(node.Run([&] { return received; }));
    EXPECT_TRUE(sink.data == Pattern(1 << 20, 1));
    node.to(1).SendControl(ControlKind::kBye, "");
    node.to(1).Close(1000);
  }
  int result = 0;
  waitpid(child, &result, 0);
  if (WEXITSTATUS(result) == 77) GTEST_SKIP() << "this kernel has no seccomp filters";
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(result, 0);
}

// The ports on which this process listens. Other threads close and open descriptors meanwhile: what
// is no longer a bound internet socket by the time it is asked for its port is left out.
std::vector<int> ListeningPorts() {
  std::vector<int> ports;
  for (int fd = 3; fd < 256; ++fd) {
    int listening = 0;
    socklen_t size = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
      continue;
    }
    sockaddr_storage address{};
    size = sizeof address;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (address.ss_family != AF_INET && address.ss_family != AF_INET6) continue;
    const int port = ntohs(address.ss_family == AF_INET
                               ? reinterpret_cast<const sockaddr_in*>(&address)->sin_port
                               : reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
    if (port != 0) ports.push_back(port);
  }
  return ports;
}

TEST(MeshTest, GarbageOnEveryListeningPortDoesNoHarm) {
  std::atomic<bool> stop{false};
  std::atomic<int> disturbed{0};
  std::thread vandal([&] {
    std::vector<Fd> silent;
    while (!stop) {
      for (const int port : ListeningPorts()) {
        std::vector<Address> addresses;
        Fd socket;
        if (!Resolve("127.0.0.1", port, &addresses).ok()) continue;
        if (!Connect(addresses[0], DeadlineIn(0.2), nullptr, &socket).ok()) continue;
        const std::string garbage(500, static_cast<char>(disturbed.load()));
        WriteAll(socket.get(), garbage.data(), garbage.size(), DeadlineIn(0.1), nullptr);
        if (++disturbed % 4 == 0 && silent.size() < 100) silent.push_back(std::move(socket));
      }
      usleep(2000);
    }
  });
  const int port = FreePort();
  std::vector<JobConfig> configs;
  for (int rank = 0; rank < 3; ++rank) configs.push_back(Config(rank, 3, port));
  std::vector<Mesh> meshes(3);
  std::vector<Status> statuses(3);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 3; ++rank) {
    threads.emplace_back([&, rank] {
      usleep(rank * 150000);  // time for the vandal to find the listeners
      statuses[rank] = ConnectMesh(configs[rank], &meshes[rank]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  vandal.join();
  for (const Status& status : statuses) EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_GT(disturbed.load(), 10);
}

}  // namespace
}  // namespace tf_ddl
