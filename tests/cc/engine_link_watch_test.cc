// Reports of links and what rank 0 makes of them: no clocks, no sockets.
#include "engine/link_watch.h"

#include <gtest/gtest.h>

#include "topologies.h"

namespace tf_ddl {
namespace {

constexpr double kMB = 1e6;

// 3 hosts with a rank each.
class Network {
 public:
  explicit Network(int rails)
      : topology_(Hosts({1, 1, 1}, rails)),
        watch_(topology_, UsualLinks(rails)),
        rails_(rails),
        rate_(rails * 3, 25 * kMB) {}

  double& Rate(int rail, int host) { return rate_[rail * 3 + host]; }
  void SetAll(int rail, double rate) {
    for (int host = 0; host < 3; ++host) Rate(rail, host) = rate;
  }
  LinkWatch& watch() { return watch_; }
  void set_precise(bool precise) { precise_ = precise; }

  // An epoch in which every host sent `bytes` on each rail. Returns whether the model has changed.
  bool Epoch(double bytes = 10 * kMB) {
    for (int host = 0; host < 3; ++host) {
      std::vector<RailReport> uses;
      for (int rail = 0; rail < rails_; ++rail) {
        uses.push_back({bytes, bytes / Rate(rail, host), precise_ ? Rate(rail, host) : 0});
      }
      watch_.Add(host, uses);
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
  bool precise_ = true;
};

std::string Joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  return all;
}

TEST(LinkWatch, ASlowLinkIsNamedOnceAndHasItsCost) {
  Network network(2);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(network.Epoch());
  network.Rate(1, 0) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  const std::string news = Joined(network.watch().TakeNews());
  EXPECT_EQ(news.rfind("the link of host host-a to rail 1 (", 0), 0u) << news;
  EXPECT_NE(news.find("10.1.0.0/24) carries 2.5 MB/s, where 25 MB/s were to be expected\n"),
            std::string::npos)
      << news;
  EXPECT_NEAR(network.Relative(1, 0, 1), 0.1, 0.001);
  EXPECT_NEAR(network.Relative(1, 0, 2), 0.1, 0.001);
  EXPECT_EQ(network.watch().model().exceptions.size(), 2u);
  EXPECT_TRUE(Validate(network.watch().model(), Hosts({1, 1, 1}, 2)).ok());
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(network.Epoch());
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
}

TEST(LinkWatch, AnEpochThatWasSlowInPartOnlyIsCorrectedByTheNext) {
  Network network(1);
  network.Epoch();
  network.Rate(0, 0) = 9 * kMB;  // most of the epoch was as usual
  EXPECT_TRUE(network.Epoch());
  EXPECT_NEAR(network.Relative(0, 0, 1), 0.36, 0.001);
  network.Rate(0, 0) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  EXPECT_NEAR(network.Relative(0, 0, 1), 0.1, 0.001);
  network.Rate(0, 0) = 2.8 * kMB;  // about the same
  EXPECT_FALSE(network.Epoch());
  EXPECT_NEAR(network.Relative(0, 0, 1), 0.1, 0.001);
}

TEST(LinkWatch, ItRecovers) {
  Network network(1);
  network.Epoch();
  network.Rate(0, 1) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  network.watch().TakeNews();
  network.Rate(0, 1) = 15 * kMB;  // better, but not well
  network.Epoch();
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
  network.Rate(0, 1) = 24 * kMB;
  EXPECT_TRUE(network.Epoch());
  EXPECT_NE(Joined(network.watch().TakeNews()).find("carries 24 MB/s again"), std::string::npos);
  EXPECT_EQ(network.watch().model().exceptions.size(), 0u);
}

TEST(LinkWatch, RanksOfAHostShareItsLink) {
  const Topology topology = Hosts({2, 2});
  LinkWatch watch(topology, UsualLinks(1));
  // Host 1's ranks each get a half, so together they are as fast as host 0's one that sends.
  watch.Add(0, {{10 * kMB, 0.4, 25 * kMB}});
  watch.Add(0, {{0, 0, 0}});
  watch.Add(1, {{5 * kMB, 0.4, 12.5 * kMB}});
  watch.Add(1, {{5 * kMB, 0.39, 12.8 * kMB}});
  EXPECT_FALSE(watch.Update());
}

TEST(LinkWatch, WhatIsSlowEverywhereIsNotALink) {
  Network network(1);
  network.Epoch();
  network.SetAll(0, 5 * kMB);
  EXPECT_FALSE(network.Epoch());
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
}

TEST(LinkWatch, RailsGetTheirRelation) {
  Network network(2);
  network.SetAll(0, 50 * kMB);
  network.SetAll(1, 12.5 * kMB);
  EXPECT_TRUE(network.Epoch());
  const LinkModel& model = network.watch().model();
  EXPECT_NEAR(model.rails[1].beta / model.rails[0].beta, 4, 0.05);
  EXPECT_EQ(model.rails[0].beta, UsualLinks(2).rails[0].beta) << "the fastest keeps its cost";
  EXPECT_TRUE(model.exceptions.empty());
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(network.Epoch());
}

TEST(LinkWatch, OnlyPreciseRatesCount) {
  Network network(2);
  network.set_precise(false);
  network.SetAll(0, 50 * kMB);
  EXPECT_FALSE(network.Epoch());
  network.Rate(0, 1) = 5 * kMB;
  EXPECT_FALSE(network.Epoch());
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
}

TEST(LinkWatch, ASlowLinkDoesNotTiltTheRails) {
  Network network(2);
  network.Epoch();
  network.Rate(0, 0) = 2.5 * kMB;
  EXPECT_TRUE(network.Epoch());
  const LinkModel& model = network.watch().model();
  EXPECT_NEAR(model.rails[1].beta / model.rails[0].beta, 1, 0.01);
}

TEST(LinkWatch, LittleDataSaysNothing) {
  Network network(1);
  network.Epoch();
  network.Rate(0, 0) = 1 * kMB;
  EXPECT_FALSE(network.Epoch(50e3));
  EXPECT_EQ(Joined(network.watch().TakeNews()), "");
  // Nor does an instant.
  network.watch().Add(0, {{10 * kMB, 1e-6, 0}});
  EXPECT_FALSE(network.watch().Update());
}

TEST(Report, ComesBackAsItWas) {
  Report report;
  report.group = 0xFFFFFFFFFFFFFFFFull;
  report.epoch = 1234567;
  report.exposed = 0.00123456789;
  report.whole = 17.5;
  report.rails = {{123456789012.0, 0.25, 7}, {1, 0, 0}};
  Report back;
  ASSERT_TRUE(Parse(Serialize(report), 2, &back).ok());
  EXPECT_EQ(back.group, report.group);
  EXPECT_EQ(back.epoch, report.epoch);
  EXPECT_NEAR(back.exposed, report.exposed, 1e-11);
  EXPECT_EQ(back.whole, report.whole);
  ASSERT_EQ(back.rails.size(), 2u);
  EXPECT_NEAR(back.rails[0].bytes, 123456789012.0, 1000);
  EXPECT_EQ(back.rails[0].seconds, 0.25);
  EXPECT_EQ(back.rails[0].precise, 7);
}

TEST(Report, WhatMakesNoSenseIsRefused) {
  for (const char* text : {"",
                           "x",
                           "1",
                           "1 2",
                           "1 2 0.5",
                           "1 2 0.5 x",
                           "1 2 0.5 1",
                           "1 2 -0.5 1 5 5 5",
                           "1 2 0.5 -1 5 5 5",
                           "1 2 nan 1 5 5 5",
                           "1 2 inf 1 5 5 5",
                           "1 2 1e999 1 5 5 5",
                           "1 2 0.5 1 5",
                           "1 2 0.5 1 5 5",
                           "1 2 0.5 1 -5 5 5",
                           "1 2 0.5 1 5 -5 5",
                           "1 2 0.5 1 5 5 -5",
                           "1 2 0.5 1 5 5 5 y",
                           "1 2 0.5 1 5 5 5 0",
                           "1 2 0.5 1 5 5 5 5 5 5"}) {
    Report report;
    report.epoch = 99;
    EXPECT_EQ(Parse(text, 1, &report).code(), Code::kInternal) << "\"" << text << "\"";
    EXPECT_EQ(report.epoch, 99u) << "left as it was";
  }
}

}  // namespace
}  // namespace tf_ddl
