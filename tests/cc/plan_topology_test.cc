// Topologies and links: what is refused, and that texts give back what they were made of.
#include "plan/topology.h"

#include <gtest/gtest.h>

#include "plan_harness.h"

namespace tf_ddl {
namespace {

TEST(Topology, GridsAreReadOrRefusedWithTheNumbersThatDoNotFit) {
  std::vector<int> grid;
  ASSERT_TRUE(ParseGrid("4x8x8", 256, &grid).ok());
  EXPECT_EQ(grid, (std::vector<int>{4, 8, 8}));
  ASSERT_TRUE(ParseGrid("7", 0, &grid).ok());
  EXPECT_EQ(GridText({4, 8, 8}), "4x8x8");
  EXPECT_EQ(ParseGrid("4x8x8", 8, &grid).message(), "4x8x8 makes 256 ranks, the job has 8");
  EXPECT_EQ(grid, std::vector<int>{7});  // untouched
  for (const char* text : {"", "x", "4x", "x4", "4xx8", "0x4", "-1x4", "4x8x", "a", "4 x 8",
                           "99999999x2", "9999999x9999999"}) {
    EXPECT_EQ(ParseGrid(text, 0, &grid).code(), Code::kInvalidArgument) << text;
  }
}

Host HostOn(const std::string& name, const std::vector<int>& ranks,
            const std::vector<std::string>& networks) {
  Host host;
  host.name = name;
  host.ranks = ranks;
  for (const std::string& network : networks) {
    host.interfaces.push_back({"eth" + std::to_string(host.interfaces.size()), "addr", network});
  }
  return host;
}

TEST(Topology, RailsAreTheNetworksThatReachEveryHost) {
  Topology topology;
  topology.hosts = {HostOn("a", {0}, {"n1", "n2", "n3", "n1"}), HostOn("b", {1}, {"n3", "n1"}),
                    HostOn("c", {2}, {"n2", "n1", "n3"})};
  DeriveRails(&topology);
  EXPECT_EQ(topology.rails, (std::vector<std::string>{"n1", "n3"}));
  topology.hosts.push_back(HostOn("d", {3}, {}));
  DeriveRails(&topology);
  EXPECT_EQ(topology.rails, std::vector<std::string>{""});  // by way of a router
  topology.hosts.resize(1);
  DeriveRails(&topology);
  EXPECT_EQ(topology.rails.size(), 1u);
}

TEST(Topology, ImpossibleOnesAreRefused) {
  const auto refusal = [](const std::vector<Host>& hosts, const std::vector<int>& grid = {}) {
    Topology topology;
    topology.hosts = hosts;
    topology.grid = grid;
    const Status status = Validate(topology);
    EXPECT_FALSE(status.ok());
    return status.message();
  };
  EXPECT_EQ(refusal({}), "a topology without hosts");
  EXPECT_EQ(refusal({HostOn("a", {}, {})}), "host 0 (a) has no ranks");
  EXPECT_EQ(refusal({HostOn("a", {0, 2}, {})}),
            "host 0 (a) has rank 2, but there are ranks 0 to 1");
  EXPECT_EQ(refusal({HostOn("a", {0, 1}, {}), HostOn("b", {1}, {})}),
            "host 1 (b) has rank 1, and so has host 0");
  EXPECT_EQ(refusal({HostOn("a", {1}, {}), HostOn("b", {0}, {})}),
            "host 1 (b): hosts are not in the order of their lowest ranks");
  EXPECT_EQ(refusal({HostOn("a", {1, 0}, {})}), "host 0 (a): its ranks are not in ascending order");
  EXPECT_EQ(refusal({HostOn("a", {0, 1}, {})}, {4}), "4 makes 4 ranks, the job has 2");
}

TEST(Topology, TextsGiveBackWhatTheyWereMadeOf) {
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    Topology topology = RandomTopology(&random, 6, 9);
    topology.hosts[0].name = "a name with blanks, 100%\n";
    topology.hosts[0].gpus = 4;
    topology.hosts[0].interfaces = {{"", "10.0.0.1", "10.0.0.0/24"}, {"eth 1", "fe80::1", ""}};
    if (i % 2 == 0) topology.grid = {topology.size()};
    const std::string text = Serialize(topology);
    Topology read;
    ASSERT_EQ(Parse(text, &read).message(), "") << text;
    EXPECT_EQ(Serialize(read), text);
    EXPECT_EQ(read.hosts[0].name, topology.hosts[0].name);
    EXPECT_EQ(read.hosts[0].interfaces[1].name, "eth 1");
    EXPECT_EQ(read.HostOf(), topology.HostOf());

    LinkModel links = UsualLinks(2);
    links.local.alpha = 1e-6 / 3;
    links.exceptions[{1, 0, 2}] = {random() * 1e-12, 1.0 / random()};
    LinkModel same;
    ASSERT_EQ(Parse(Serialize(links), &same).message(), "");
    EXPECT_EQ(same.local.alpha, links.local.alpha);
    EXPECT_EQ(same.exceptions.at({1, 0, 2}).beta, links.exceptions.at({1, 0, 2}).beta);
  }
}

TEST(Topology, BrokenTextsAreRefusedOrStillValid) {
  const Topology topology = HostsOf({3, 2, 2}, 2);
  const std::string text = Serialize(topology);
  std::mt19937 random(11);
  for (int i = 0; i < 5000; ++i) {
    std::string broken = text;
    if (i % 2 == 0) broken.resize(random() % broken.size());
    if (!broken.empty()) broken[random() % broken.size()] = static_cast<char>(random() % 128);
    Topology read;
    const Status status = Parse(broken, &read);
    EXPECT_TRUE(!status.ok() || Validate(read).ok()) << broken;
  }
  Topology read;
  EXPECT_EQ(Parse("topology 1\nhost a 0 0-1\nrails x\n", &read).message(),
            "topology, line 3 (\"rails x\"): \"rails\" is not expected");
  EXPECT_EQ(Parse("topology 2\n", &read).code(), Code::kInvalidArgument);
  EXPECT_EQ(Parse("topology 1\nhost a 0 0-99999999\nrail x\n", &read).code(),
            Code::kInvalidArgument);
  LinkModel links;
  EXPECT_EQ(Parse("links 1\nlocal 1 inf\n", &links).code(), Code::kInvalidArgument);
  EXPECT_EQ(Parse("links 1\nlocal 1 2 3\n", &links).message(),
            "links, line 2 (\"local 1 2 3\"): \"3\" is not expected");
}

TEST(Topology, LinksHaveToFit) {
  const Topology topology = HostsOf({1, 1}, 2);
  EXPECT_TRUE(Validate(UsualLinks(2), topology).ok());
  EXPECT_FALSE(Validate(UsualLinks(1), topology).ok());
  EXPECT_TRUE(Validate(UsualLinks(0), HostsOf({5})).ok());
  LinkModel links = UsualLinks(2);
  links.exceptions[{0, 0, 2}] = {1e-6, 1e-9};
  EXPECT_EQ(Validate(links, topology).message(),
            "links: exception on rail 0 from host 0 to host 2: there are 2 rails and 2 hosts");
  links = UsualLinks(2);
  links.rails[1].beta = 0;
  EXPECT_FALSE(Validate(links, topology).ok());
}

}  // namespace
}  // namespace tf_ddl
