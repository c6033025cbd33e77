// Reports of links and what rank 0 makes of them: no clocks, no sockets.
#include "engine/link_watch.h"

#include <gtest/gtest.h>

#include "topologies.h"

namespace tf_ddl {
namespace {

constexpr double kMB = 1e6;

// Links of 3 hosts with a rank each.
class Network {
 public:
  explicit Network(int rails)
      : topology_(Hosts({1, 1, 1}, rails)),
        watch_(topology_, UsualLinks(rails)),
        rails_(rails),
        rate_(rails * 9, 25 * kMB) {}

  double& Rate(int rail, int from, int to) { return rate_[(rail * 3 + from) * 3 + to]; }
  LinkWatch& watch() { return watch_; }

  // An epoch in which every host sent `bytes` to each other on each rail. Returns whether the model
  // has changed.
  bool Epoch(double bytes = 10 * kMB) {
    for (int from = 0; from < 3; ++from) {
      std::vector<LinkUse> uses;
      for (int rail = 0; rail < rails_; ++rail) {
        for (int to = 0; to < 3; ++to) {
          if (to != from) uses.push_back({rail, to, bytes, bytes / Rate(rail, from, to)});
        }
      }
      watch_.Add(from, uses);
    }
    return watch_.Update();
  }
  // The model's bandwidth of a link, as a part of the rail's.
  double Relative(int rail, int from, int to) {
    return watch_.model().rails[rail].beta / watch_.model().Between(rail, from, to).beta;
  }

 private:
  const Topology topology_;
  LinkWatch watch_;
  const int rails_;
  std::vector<double> rate_;
};

std::string Joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  return all;
}

TEST(LinkWatch, ASlowLinkIsNamedOnceAndHasItsCost) {
  Network network(2);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(network.Epoch());
  network.Rate(1, 0, 2) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  const std::string news = Joined(network.watch().TakeNews());
  EXPECT_EQ(news,
            "the link from host host-a to host host-c (rail 1, 10.1.0.0/24) carries 2.5 MB/s, "
            "where 25 MB/s were to be expected\n");
  EXPECT_NEAR(network.Relative(1, 0, 2), 0.1, 0.001);
  EXPECT_EQ(network.watch().model().exceptions.size(), 1u);
  EXPECT_TRUE(Validate(network.watch().model(), Hosts({1, 1, 1}, 2)).ok());
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(network.Epoch());
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
}

TEST(LinkWatch, AnEpochThatWasSlowInPartOnlyIsCorrectedByTheNext) {
  Network network(1);
  network.Epoch();
  network.Rate(0, 0, 1) = 10 * kMB;  // most of the epoch was as usual
  EXPECT_TRUE(network.Epoch());
  EXPECT_NEAR(network.Relative(0, 0, 1), 0.4, 0.001);
  network.Rate(0, 0, 1) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  EXPECT_NEAR(network.Relative(0, 0, 1), 0.1, 0.001);
  network.Rate(0, 0, 1) = 2.8 * kMB;  // about the same
  EXPECT_FALSE(network.Epoch());
  EXPECT_NEAR(network.Relative(0, 0, 1), 0.1, 0.001);
}

TEST(LinkWatch, ItRecovers) {
  Network network(1);
  network.Epoch();
  network.Rate(0, 1, 2) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  network.watch().TakeNews();
  network.Rate(0, 1, 2) = 15 * kMB;  // better, but not well
  network.Epoch();
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
  network.Rate(0, 1, 2) = 24 * kMB;
  EXPECT_TRUE(network.Epoch());
  EXPECT_NE(Joined(network.watch().TakeNews()).find("carries 24 MB/s again"), std::string::npos);
  EXPECT_EQ(network.watch().model().exceptions.size(), 0u);
}

TEST(LinkWatch, AllLinksOfAnInterfaceSlowMeansTheInterface) {
  // 4 hosts; host 1 has been seen to send to hosts 0 and 2 only.
  const Topology topology = Hosts({1, 1, 1, 1});
  LinkWatch watch(topology, UsualLinks(1));
  const auto epoch = [&](double to0, double to2, double others) {
    watch.Add(1, {{0, 0, 10 * kMB, 10 * kMB / to0}, {0, 2, 10 * kMB, 10 * kMB / to2}});
    for (int from : {0, 2, 3}) {
      watch.Add(from, {{0, (from + 2) % 4, 10 * kMB, 10 * kMB / others}});
    }
    return watch.Update();
  };
  EXPECT_FALSE(epoch(20 * kMB, 20 * kMB, 20 * kMB));
  EXPECT_TRUE(epoch(2 * kMB, 20 * kMB, 20 * kMB));
  EXPECT_EQ(watch.model().exceptions.count({0, 1, 3}), 0u) << "one slow link is only that";
  EXPECT_TRUE(epoch(2 * kMB, 4 * kMB, 20 * kMB));
  const auto beta = [&](int to) { return watch.model().Between(0, 1, to).beta; };
  EXPECT_NEAR(beta(0) / watch.model().rails[0].beta, 10, 0.01);
  EXPECT_NEAR(beta(2) / watch.model().rails[0].beta, 5, 0.01);
  EXPECT_NEAR(beta(3) / watch.model().rails[0].beta, 10, 0.01) << "not seen, but as bad as the worst";
  EXPECT_EQ(watch.model().exceptions.count({0, 2, 3}), 0u);
}

TEST(LinkWatch, PlansThatShareAnInterfaceDoNotMakeItSlow) {
  Network network(2);
  network.Epoch();
  // Another plan: everybody sends to everybody at the same time, three at a time.
  for (int rail = 0; rail < 2; ++rail) {
    for (int from = 0; from < 3; ++from) {
      for (int to = 0; to < 3; ++to) network.Rate(rail, from, to) = 8 * kMB;
    }
  }
  EXPECT_FALSE(network.Epoch());
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
}

TEST(LinkWatch, RailsGetTheirRelation) {
  Network network(2);
  for (int from = 0; from < 3; ++from) {
    for (int to = 0; to < 3; ++to) {
      network.Rate(0, from, to) = 50 * kMB;
      network.Rate(1, from, to) = 12.5 * kMB;
    }
  }
  EXPECT_TRUE(network.Epoch());
  const LinkModel& model = network.watch().model();
  EXPECT_NEAR(model.rails[1].beta / model.rails[0].beta, 4, 0.05);
  EXPECT_EQ(model.rails[0].beta, UsualLinks(2).rails[0].beta) << "the fastest keeps its cost";
  EXPECT_TRUE(model.exceptions.empty());
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(network.Epoch());
}

TEST(LinkWatch, ASlowLinkDoesNotTiltTheRails) {
  Network network(2);
  network.Epoch();
  network.Rate(0, 0, 1) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  const LinkModel& model = network.watch().model();
  EXPECT_NEAR(model.rails[1].beta / model.rails[0].beta, 1, 0.01);
}

TEST(LinkWatch, LittleDataSaysNothing) {
  Network network(1);
  network.Epoch();
  network.Rate(0, 0, 1) = 1 * kMB;
  EXPECT_FALSE(network.Epoch(50e3));
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
  // Nor does an instant.
  network.watch().Add(0, {{0, 1, 10 * kMB, 1e-6}, {0, 1, 0, 0}});
  EXPECT_FALSE(network.watch().Update());
}

TEST(Report, ComesBackAsItWas) {
  Report report;
  report.group = 0xFFFFFFFFFFFFFFFFull;
  report.epoch = 1234567;
  report.exposed = 0.00123456789;
  report.whole = 17.5;
  report.links = {{0, 1, 123456789012.0, 0.25}, {1, 2, 1, 0}};
  Report back;
  ASSERT_TRUE(Parse(Serialize(report), 3, 2, &back).ok());
  EXPECT_EQ(back.group, report.group);
  EXPECT_EQ(back.epoch, report.epoch);
  EXPECT_NEAR(back.exposed, report.exposed, 1e-11);
  EXPECT_EQ(back.whole, report.whole);
  ASSERT_EQ(back.links.size(), 2u);
  EXPECT_NEAR(back.links[0].bytes, 123456789012.0, 1000);
  EXPECT_EQ(back.links[1].to_host, 2);
  report.links.clear();
  EXPECT_TRUE(Parse(Serialize(report), 1, 1, &back).ok());
  EXPECT_TRUE(back.links.empty());
}

TEST(Report, WhatMakesNoSenseIsRefused) {
  for (const char* text :
       {"", "x", "1", "1 2", "1 2 0.5", "1 2 0.5 x", "1 2 -0.5 1", "1 2 0.5 -1", "1 2 nan 1",
        "1 2 inf 1", "1 2 1e999 1", "1 2 0.5 1 0", "1 2 0.5 1 0 1", "1 2 0.5 1 0 1 5",
        "1 2 0.5 1 2 1 5 5" /* rail */, "1 2 0.5 1 -1 1 5 5", "1 2 0.5 1 0 3 5 5" /* host */,
        "1 2 0.5 1 0 -1 5 5", "1 2 0.5 1 0 1 -5 5", "1 2 0.5 1 0 1 5 -5", "1 2 0.5 1 0 1 5 5 y",
        "1 2 0.5 1 0 1 5 5 0"}) {
    Report report;
    report.epoch = 99;
    EXPECT_EQ(Parse(text, 3, 2, &report).code(), Code::kInternal) << "\"" << text << "\"";
    EXPECT_EQ(report.epoch, 99u) << "left as it was";
  }
}

}  // namespace
}  // namespace tf_ddl
