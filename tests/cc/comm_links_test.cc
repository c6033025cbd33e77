// Who measures links with whom, what is made of the measurements, and measuring itself: among
// threads, with peers that die, are silent or have something else to say.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "comm/link_probe.h"
#include "comm/topology_of.h"
#include "engine_harness.h"
#include "topologies.h"
#include "transport_harness.h"

namespace tf_ddl {
namespace {

TEST(Tournament, EverybodyMeetsEverybodyOnceAndNobodyHasTwoGuests) {
  for (int hosts = 1; hosts <= 33; ++hosts) {
    std::map<std::pair<int, int>, int> met;
    const auto rounds = Tournament(hosts, 1000);
    EXPECT_LE(static_cast<int>(rounds.size()), hosts + hosts % 2 - 1 + (hosts == 1 ? 1 : 0));
    for (const auto& round : rounds) {
      std::set<int> busy;
      for (const auto& [low, high] : round) {
        ASSERT_LT(low, high);
        ASSERT_GE(low, 0);
        ASSERT_LT(high, hosts);
        ASSERT_TRUE(busy.insert(low).second && busy.insert(high).second) << hosts;
        ++met[{low, high}];
      }
    }
    ASSERT_EQ(static_cast<int>(met.size()), hosts * (hosts - 1) / 2) << hosts;
    for (const auto& [pair, times] : met) ASSERT_EQ(times, 1);
  }
}

TEST(Tournament, NoMoreRoundsThanWanted) {
  const auto rounds = Tournament(100, 8);
  EXPECT_EQ(rounds.size(), 8u);
  for (const auto& round : rounds) EXPECT_EQ(round.size(), 50u);
}

LinkSample Between(int rail, int from, int to, double alpha, double beta) {
  LinkSample sample;
  sample.rail = rail;
  sample.from = from;
  sample.to = to;
  sample.cost = {alpha, beta};
  return sample;
}

LinkSample Within(double alpha, double beta, double gamma) {
  LinkSample sample;
  sample.cost = {alpha, beta};
  sample.gamma = gamma;
  return sample;
}

TEST(ModelOf, MediansByClassAndExceptions) {
  const Topology topology = Hosts({2, 2, 2}, 2);
  const LinkModel model =
      ModelOf({Within(1e-6, 1e-10, 4e-11), Within(3e-6, 3e-10, 5e-11), Within(2e-6, 2e-10, 6e-11),
               Within(0, 0, 7e-11), Within(0, 0, 1e-11),  // ranks without a partner
               Between(0, 0, 1, 10e-6, 1e-9), Between(0, 1, 0, 30e-6, 1.1e-9),
               Between(0, 0, 2, 20e-6, 0.9e-9), Between(0, 2, 0, 20e-6, 1e-9),
               Between(0, 1, 2, 20e-6, 10e-9) /* a tenth */,
               Between(0, 2, 1, 20e-6, 0.5e-9) /* double */, Between(1, 0, 1, 50e-6, 4e-9)},
              topology);
  EXPECT_EQ(model.local.alpha, 2e-6);
  EXPECT_EQ(model.local.beta, 2e-10);
  EXPECT_EQ(model.gamma, 5e-11);
  ASSERT_EQ(model.rails.size(), 2u);
  EXPECT_EQ(model.rails[0].alpha, 20e-6);
  EXPECT_EQ(model.rails[0].beta, 1e-9);
  EXPECT_EQ(model.rails[1].beta, 4e-9);
  ASSERT_EQ(model.exceptions.size(), 1u);
  EXPECT_EQ(model.Between(0, 1, 2).beta, 10e-9);
  EXPECT_EQ(model.Between(0, 2, 1).beta, 1e-9) << "a faster one is as usual";
  EXPECT_EQ(model.Between(0, 1, 0).beta, 1e-9) << "within half: no exception";
  EXPECT_TRUE(Validate(model, topology).ok());
}

TEST(LinkSample, ComesBackAsItWasOrIsRefused) {
  const Topology topology = Hosts({2, 2}, 2);
  std::vector<LinkSample> back;
  ASSERT_TRUE(
      Parse(Serialize(Between(1, 0, 1, 1.25e-6, 3.3e-10)) + Serialize(Within(1e-6, 0, 7e-11)),
            topology, &back)
          .ok());
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].cost.beta, 3.3e-10);
  EXPECT_EQ(back[0].to, 1);
  EXPECT_EQ(back[1].rail, -1);
  EXPECT_EQ(back[1].gamma, 7e-11);
  for (const char* text : {"x\n", "\n", "0 0 1 1e-6 1e-9\n", "2 0 1 1e-6 1e-9 0\n",
                           "0 0 2 1e-6 1e-9 0\n", "0 1 1 1e-6 1e-9 0\n", "0 -1 1 1e-6 1e-9 0\n",
                           "-2 0 1 1e-6 1e-9 0\n", "0 0 1 -1e-6 1e-9 0\n", "0 0 1 1e-6 0 0\n",
                           "0 0 1 1e-6 nan 0\n", "0 0 1 1e-6 1e-9 0 5\n"}) {
    EXPECT_EQ(Parse(text, topology, &back).code(), Code::kInternal) << text;
  }
}

TEST(ModelOf, WhatWasNotMeasuredIsAsUsual) {
  const LinkModel model = ModelOf({}, Hosts({2, 2}, 2));
  const LinkModel usual = UsualLinks(2);
  EXPECT_EQ(model.local.beta, usual.local.beta);
  EXPECT_EQ(model.gamma, usual.gamma);
  EXPECT_EQ(model.rails[1].alpha, usual.rails[1].alpha);
  EXPECT_TRUE(model.exceptions.empty());
}

// ---- topology ---------------------------------------------------------------------------------

Mesh MeshOf(const std::vector<std::string>& host_ids, const std::vector<std::string>& rails) {
  Mesh mesh;
  mesh.rails = rails;
  for (size_t rank = 0; rank < host_ids.size(); ++rank) {
    PeerInfo peer;
    peer.rank = static_cast<int>(rank);
    peer.hostname = "name of " + host_ids[rank];
    peer.host_id = host_ids[rank];
    mesh.peers.push_back(peer);
  }
  return mesh;
}

TEST(ChooseTopology, AsFound) {
  Topology topology;
  ASSERT_TRUE(
      ChooseTopology(MeshOf({"a", "b", "a", "c"}, {"n1", "n2"}), CommOptions(), &topology).ok());
  ASSERT_EQ(topology.hosts.size(), 3u);
  EXPECT_EQ(topology.hosts[0].ranks, (std::vector<int>{0, 2}));
  EXPECT_EQ(topology.hosts[1].name, "name of b");
  EXPECT_EQ(topology.rails, (std::vector<std::string>{"n1", "n2"}));
}

TEST(ChooseTopology, WhatIsGivenMustFit) {
  const Mesh mesh = MeshOf({"a", "a", "b", "b"}, {"10.1.0.0/24"});
  const auto choose = [&](const std::string& grid, const std::string& text, Topology* topology) {
    CommOptions options;
    options.grid = grid;
    options.topology = text;
    return ChooseTopology(mesh, options, topology);
  };
  Topology topology;
  ASSERT_TRUE(choose("4x1", "", &topology).ok());
  EXPECT_EQ(topology.grid, (std::vector<int>{4, 1}));
  Topology given = Hosts({1, 3});
  given.rails = {""};
  ASSERT_TRUE(choose("", Serialize(given), &topology).ok());
  EXPECT_EQ(topology.hosts[1].ranks.size(), 3u);
  EXPECT_EQ(topology.rails, mesh.rails);

  const auto refused = [&](const std::string& grid, const std::string& text,
                           const std::vector<std::string>& numbers) {
    const Status status = choose(grid, text, &topology);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    for (const std::string& number : numbers) {
      EXPECT_NE(status.message().find(number), std::string::npos) << status.message();
    }
  };
  refused("4x2", "", {"4x2 makes 8 ranks", "the job has 4"});
  refused("4xtwo", "", {"\"two\""});
  refused("0x4", "", {"0"});
  given = Hosts({2, 3});
  given.rails = {""};
  refused("", Serialize(given), {"5 ranks on 2 hosts", "4 ranks on 2 hosts"});
  refused("", Serialize(Hosts({2, 2})), {"10.0.0.0/24", "10.1.0.0/24"});
  refused("", "nonsense", {});
}

// ---- measuring --------------------------------------------------------------------------------

// Ranks as threads; those of different hosts of the topology are so by name only.
std::vector<std::unique_ptr<PairCommunicator>> Ranks(const Topology& topology) {
  std::vector<Mesh> meshes;
  EXPECT_TRUE(LoopbackMeshes(topology.size(), true, &meshes).ok());
  std::vector<std::unique_ptr<PairCommunicator>> ranks(topology.size());
  for (int rank = 0; rank < topology.size(); ++rank) {
    EXPECT_TRUE(PairCommunicator::Create(rank, std::move(meshes[rank]), topology, CommOptions(),
                                         &ranks[rank])
                    .ok());
  }
  return ranks;
}

std::vector<Status> LearnAll(const std::vector<PairCommunicator*>& ranks, double seconds,
                             const CommOptions& options = CommOptions()) {
  std::vector<Status> statuses(ranks.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < ranks.size(); ++i) {
    threads.emplace_back(
        [&, i] { statuses[i] = LearnLinks(ranks[i], options, DeadlineIn(seconds)); });
  }
  for (std::thread& thread : threads) thread.join();
  return statuses;
}

std::vector<PairCommunicator*> All(const std::vector<std::unique_ptr<PairCommunicator>>& ranks) {
  std::vector<PairCommunicator*> all;
  for (const auto& rank : ranks) all.push_back(rank.get());
  return all;
}

TEST(LearnLinks, AllRanksHaveOneValidModel) {
  for (const NamedTopology& each : TestTopologies()) {
    SCOPED_TRACE(each.name);
    auto ranks = Ranks(each.topology);
    for (const Status& status : LearnAll(All(ranks), 30)) {
      ASSERT_TRUE(status.ok()) << status.message();
    }
    const LinkModel& model = ranks[0]->links();
    EXPECT_TRUE(Validate(model, each.topology).ok());
    EXPECT_GT(model.gamma, 0);
    const bool several = std::any_of(each.topology.hosts.begin(), each.topology.hosts.end(),
                                     [](const Host& host) { return host.ranks.size() > 1; });
    const LinkModel usual = UsualLinks(static_cast<int>(each.topology.rails.size()));
    EXPECT_NE(model.gamma, usual.gamma);
    EXPECT_EQ(model.local.beta != usual.local.beta, several);
    for (size_t rail = 0; rail < model.rails.size(); ++rail) {
      EXPECT_EQ(model.rails[rail].beta != usual.rails[rail].beta, !each.topology.OnOneHost());
    }
    for (const auto& rank : ranks) EXPECT_EQ(Serialize(rank->links()), Serialize(model));
  }
}

TEST(LearnLinks, SixteenRanks) {
  for (const auto& sizes :
       {std::vector<int>{16}, std::vector<int>{4, 4, 4, 4}, std::vector<int>(16, 1)}) {
    auto ranks = Ranks(Hosts(sizes));
    const auto begin = Clock::now();
    for (const Status& status : LearnAll(All(ranks), 50)) {
      ASSERT_TRUE(status.ok()) << status.message();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf("16 ranks on %zu hosts measured their links in %.3f s\n", sizes.size(), seconds);
    EXPECT_LT(seconds, 40);  // what it takes is not this test's business
  }
}

TEST(LearnLinks, GivenOnesAreTaken) {
  const Topology topology = Hosts({1, 1});
  LinkModel given = UsualLinks(1);
  given.rails[0].beta = 123e-9;
  CommOptions options;
  options.links = Serialize(given);
  auto ranks = Ranks(topology);
  for (const Status& status : LearnAll(All(ranks), 20, options)) ASSERT_TRUE(status.ok());
  EXPECT_EQ(ranks[1]->links().rails[0].beta, 123e-9);
  options.links = Serialize(UsualLinks(3));
  auto others = Ranks(topology);
  for (const Status& status : LearnAll(All(others), 20, options)) {
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
  }
}

// All ranks but `missing` measure; that one does `instead`.
void WithoutOne(const Topology& topology, int missing, double seconds, Code code,
                const std::function<void(std::unique_ptr<PairCommunicator>*)>& instead) {
  auto ranks = Ranks(topology);
  std::vector<PairCommunicator*> others;
  for (int rank = 0; rank < topology.size(); ++rank) {
    if (rank != missing) others.push_back(ranks[rank].get());
  }
  const auto begin = Clock::now();
  std::thread other([&] { instead(&ranks[missing]); });
  const auto statuses = LearnAll(others, seconds);
  other.join();
  for (const Status& status : statuses) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find("rank " + std::to_string(missing)), std::string::npos)
        << "instead of rank " << missing << ": " << status.message();
  }
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(20));
}

TEST(LearnLinks, ARankThatLeavesIsNamed) {
  for (const auto& sizes :
       {std::vector<int>{3}, std::vector<int>{2, 2}, std::vector<int>{1, 1, 1}}) {
    const Topology topology = Hosts(sizes);
    for (int missing = 0; missing < topology.size(); ++missing) {
      SCOPED_TRACE(std::to_string(missing) + " of " + std::to_string(topology.size()));
      WithoutOne(topology, missing, 60, Code::kUnavailable, [](auto* rank) { rank->reset(); });
    }
  }
}

TEST(LearnLinks, ARankThatIsSilentIsNamedWhenTimeIsOver) {
  for (int missing : {0, 1, 3}) {
    WithoutOne(Hosts({2, 2}), missing, 4, Code::kDeadlineExceeded, [](auto*) {});
  }
}

TEST(LearnLinks, AnAbortReachesEverybodyWithItsReason) {
  auto ranks = Ranks(Hosts({2, 1}));
  std::thread third([&] { ranks[2]->Close(Internal("rank 2 has no memory")); });
  const auto statuses = LearnAll({ranks[0].get(), ranks[1].get()}, 60);
  third.join();
  for (const Status& status : statuses) {
    EXPECT_EQ(status.code(), Code::kInternal);
    EXPECT_NE(status.message().find("rank 2 has no memory"), std::string::npos) << status.message();
  }
}

class Recorder : public CommunicatorEvents {
 public:
  void OnControl(int peer, ControlKind kind, std::string payload) override {
    heard.push_back(std::to_string(peer) + " " + std::to_string(static_cast<int>(kind)) + " " +
                    payload);
  }
  void OnBye(int peer) override { heard.push_back(std::to_string(peer) + " bye"); }
  void OnFailure(int, const Status& status) override { heard.push_back(status.message()); }
  std::vector<std::string> heard;
};

// A rank may be through with measuring and begin, or even end, while another one still measures.
TEST(LearnLinks, WhatIsForTheEngineIsKeptForIt) {
  for (int round = 0; round < 20; ++round) {
    auto ranks = Ranks(Hosts({3}));
    std::vector<std::thread> threads;
    std::vector<Status> statuses(3);
    for (int rank : {0, 1}) {
      threads.emplace_back([&, rank] {
        statuses[rank] = LearnLinks(ranks[rank].get(), CommOptions(), DeadlineIn(30));
        Recorder events;
        ranks[rank]->set_events(&events);
        ranks[rank]->SendControl(2, ControlKind::kPlans, "one from " + std::to_string(rank));
        ranks[rank]->SendControl(2, ControlKind::kOrder, "two");
        ranks[rank]->Close(OkStatus());
      });
    }
    statuses[2] = LearnLinks(ranks[2].get(), CommOptions(), DeadlineIn(30));
    Recorder events;
    ranks[2]->set_events(&events);
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses) ASSERT_TRUE(status.ok()) << status.message();
    const auto deadline = DeadlineIn(10);
    while (events.heard.size() < 6 && Clock::now() < deadline) {
      if (!ranks[2]->Poll() && ranks[2]->PrepareSleep()) {
        ranks[2]->Sleep(DeadlineIn(0.1));
        ranks[2]->AfterSleep();
      }
    }
    std::sort(events.heard.begin(), events.heard.end());
    EXPECT_EQ(events.heard, (std::vector<std::string>{"0 5 two", "0 7 one from 0", "0 bye",
                                                      "1 5 two", "1 7 one from 1", "1 bye"}));
  }
}

// Begin and end at once: nobody's beginning may fail by another one's end.
TEST(LearnLinks, EndingAtOnceIsNoFailure) {
  for (int round = 0; round < 30; ++round) {
    auto ranks = Ranks(round % 2 == 0 ? Hosts({4}) : Hosts({1, 2, 1}));
    std::vector<Status> statuses(ranks.size());
    std::vector<std::thread> threads;
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      threads.emplace_back([&, rank] {
        statuses[rank] = LearnLinks(ranks[rank].get(), CommOptions(), DeadlineIn(30));
        ranks[rank].reset();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses) ASSERT_TRUE(status.ok()) << status.message();
  }
}

}  // namespace
}  // namespace tf_ddl
