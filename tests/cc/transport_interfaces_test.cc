// Which interfaces a host has, which networks hosts have in common, and the topology that follows.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/socket.h"
#include "comm/topology_of.h"
#include "transport/contact.h"
#include "transport/interfaces.h"
#include "transport/rails.h"

namespace tf_ddl {
namespace {

using Names = std::vector<std::string>;

PeerInfo Peer(int rank, const std::string& host, std::vector<HostInterface> interfaces) {
  PeerInfo peer{rank, host, "id of " + host, 100 + rank};
  peer.interfaces = std::move(interfaces);
  return peer;
}

TEST(InterfacesTest, ThoseOfThisHostAreCompleteAndLeadToOthers) {
  for (const HostInterface& each : UsableInterfaces()) {
    SCOPED_TRACE(each.name + " " + each.address + " " + each.network);
    EXPECT_FALSE(each.name.empty());
    EXPECT_FALSE(IsLoopback(each.address));
    EXPECT_NE(each.network.find('/'), std::string::npos);
    EXPECT_GE(each.speed_mbit, 0);
    std::vector<Address> addresses;
    EXPECT_TRUE(Resolve(each.address, 1, &addresses).ok());
  }
  EXPECT_GE(CountGpus(), 0);
}

TEST(InterfacesTest, SelectionKeepsTheOrderOfItsNames) {
  const std::vector<HostInterface> all = {{"eth0", "10.1.0.1", "10.1.0.0/24"},
                                          {"eth1", "10.2.0.1", "10.2.0.0/24"},
                                          {"eth0", "fd00::1", "fd00::/64"}};
  std::vector<HostInterface> some = all;
  ASSERT_TRUE(SelectInterfaces("", "a", &some).ok());
  EXPECT_EQ(some.size(), 3u);
  ASSERT_TRUE(SelectInterfaces(" eth1 ,eth0,", "a", &some).ok());
  ASSERT_EQ(some.size(), 3u);
  EXPECT_EQ(some[0].address, "10.2.0.1");
  EXPECT_EQ(some[1].address, "10.1.0.1");
  some = all;
  ASSERT_TRUE(SelectInterfaces("eth1", "a", &some).ok());
  ASSERT_EQ(some.size(), 1u);
  some = all;
  const Status status = SelectInterfaces("eth0,eth7", "a", &some);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "DDL_INTERFACES names eth7; host a has eth0, eth1");
  some.clear();
  EXPECT_NE(SelectInterfaces("eth0", "a", &some).message().find("no network interface"),
            std::string::npos);
}

TEST(InterfacesTest, ContactsTravelWhole) {
  Contact contact;
  contact.info = Peer(3, "a", {{"eth0", "10.1.0.1", "10.1.0.0/24", 25000}, {"e1", "::1", "::/64"}});
  contact.info.gpus = 8;
  contact.port = 4711;
  contact.sockets_per_rail = 2;
  contact.addresses = {"10.1.0.1", "::1"};
  Contact back;
  ASSERT_TRUE(Decode(Encode(contact), 3, &back).ok());
  EXPECT_EQ(back.addresses, contact.addresses);
  EXPECT_EQ(back.sockets_per_rail, 2);
  EXPECT_EQ(back.info.gpus, 8);
  ASSERT_EQ(back.info.interfaces.size(), 2u);
  EXPECT_EQ(back.info.interfaces[0].network, "10.1.0.0/24");
  EXPECT_EQ(back.info.interfaces[0].speed_mbit, 25000);
  EXPECT_EQ(back.info.interfaces[1].address, "::1");
  const std::string blob = Encode(contact);
  for (const std::string& bad :
       Names{"", blob.substr(0, blob.size() / 2), "a\nid\n100\n4711\n0\n0\n0\n",
             "a\nid\n100\n4711\n1\n0\n99\n"}) {
    EXPECT_EQ(Decode(bad, 3, &back).code(), Code::kInternal) << bad;
  }
}

TEST(RailsOfHostsTest, NetworksOfAllHostsInRankZerosOrder) {
  const std::vector<PeerInfo> peers = {
      Peer(0, "a", {{"e1", "10.2.0.1", "10.2.0.0/24"}, {"e0", "10.1.0.1", "10.1.0.0/24"}}),
      Peer(1, "a", {{"e1", "10.2.0.1", "10.2.0.0/24"}, {"e0", "10.1.0.1", "10.1.0.0/24"}}),
      Peer(2, "b",
           {{"x0", "10.1.0.2", "10.1.0.0/24"},
            {"x1", "10.2.0.2", "10.2.0.0/24"},
            {"x2", "10.3.0.2", "10.3.0.0/24"}})};
  EXPECT_EQ(CommonNetworks(peers), (Names{"10.2.0.0/24", "10.1.0.0/24"}));
}

TEST(RailsOfHostsTest, OneHostOrNothingInCommonLeavesTheRoutingTables) {
  const PeerInfo a = Peer(0, "a", {{"e0", "10.1.0.1", "10.1.0.0/24"}});
  EXPECT_EQ(CommonNetworks({a, Peer(1, "a", a.interfaces)}), Names{""});
  EXPECT_EQ(CommonNetworks({a, Peer(1, "b", {{"e0", "10.9.0.1", "10.9.0.0/24"}})}), Names{""});
  EXPECT_EQ(CommonNetworks({a, Peer(1, "b", {})}), Names{""});
  EXPECT_EQ(CommonNetworks({Peer(0, "b", {}), a}), Names{""});
}

TEST(RailsOfHostsTest, PrivateNetworksOfOneNameAreNoRail) {
  const HostInterface docker = {"docker0", "172.17.0.1", "172.17.0.0/16"};
  const std::vector<PeerInfo> peers = {Peer(0, "a", {docker, {"e0", "10.1.0.1", "10.1.0.0/24"}}),
                                       Peer(1, "b", {{"e0", "10.1.0.2", "10.1.0.0/24"}, docker}),
                                       Peer(2, "c", {{"e0", "10.1.0.3", "10.1.0.0/24"}, docker})};
  EXPECT_EQ(CommonNetworks(peers), Names{"10.1.0.0/24"});
}

TEST(RailsOfHostsTest, RailsShareNoInterface) {
  const std::vector<PeerInfo> peers = {
      Peer(0, "a", {{"e0", "10.1.0.1", "10.1.0.0/24"}, {"e0", "fd00::1", "fd00::/64"}}),
      Peer(1, "b", {{"e0", "10.1.0.2", "10.1.0.0/24"}, {"e1", "fd00::2", "fd00::/64"}})};
  EXPECT_EQ(CommonNetworks(peers), Names{"10.1.0.0/24"});
}

TEST(RailsOfHostsTest, OfSeveralInterfacesOnOneNetworkTheFirst) {
  const PeerInfo a =
      Peer(0, "a", {{"e0", "10.1.0.1", "10.1.0.0/24"}, {"e1", "10.1.0.2", "10.1.0.0/24"}});
  EXPECT_EQ(OnNetwork(a, "10.1.0.0/24")->name, "e0");
  EXPECT_EQ(OnNetwork(a, "10.2.0.0/24"), nullptr);
  const PeerInfo b = Peer(1, "b", {{"e0", "10.1.0.3", "10.1.0.0/24"}});
  EXPECT_EQ(CommonNetworks({a, b}), Names{"10.1.0.0/24"});
}

TEST(RailsOfHostsTest, ProblemsOfAllRanksAreJoined) {
  Names problems;
  const std::vector<std::string> blobs = {EncodeProblems({"", "", "zero"}),
                                          EncodeProblems({"", "one\ntwo", "late"}),
                                          EncodeProblems({"", "", ""})};
  ASSERT_TRUE(MergeProblems(blobs, 3, &problems).ok());
  EXPECT_EQ(problems, (Names{"", "one two", "zero"}));
  EXPECT_EQ(MergeProblems(blobs, 4, &problems).code(), Code::kInternal);
}

TEST(TopologyOfTest, HostsInOrderOfTheirLowestRank) {
  Mesh mesh;
  const HostInterface b0 = {"e0", "10.1.0.2", "10.1.0.0/24", 1000};
  mesh.peers = {Peer(0, "b", {b0}), Peer(1, "a", {}), Peer(2, "b", {b0}), Peer(3, "a", {})};
  mesh.peers[0].gpus = 4;
  mesh.rails = {"10.1.0.0/24"};
  const Topology topology = TopologyOf(mesh);
  ASSERT_EQ(topology.hosts.size(), 2u);
  EXPECT_EQ(topology.hosts[0].name, "b");
  EXPECT_EQ(topology.hosts[0].ranks, (std::vector<int>{0, 2}));
  EXPECT_EQ(topology.hosts[0].gpus, 4);
  ASSERT_EQ(topology.hosts[0].interfaces.size(), 1u);
  EXPECT_EQ(topology.hosts[0].interfaces[0].network, "10.1.0.0/24");
  EXPECT_EQ(topology.hosts[1].ranks, (std::vector<int>{1, 3}));
  EXPECT_EQ(topology.rails, mesh.rails);
}

}  // namespace
}  // namespace tf_ddl
