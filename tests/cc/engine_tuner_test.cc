// The tuner against cost functions that are known: no clocks, no threads.
#include "engine/tuner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <random>
#include <set>
#include <utility>

namespace tf_ddl {
namespace {

constexpr int64_t kMiB = 1 << 20;

Setting First() {
  Setting first;
  first.bucket_bytes = 4 * kMiB;
  return first;
}

Tuner::Space Everything() {
  Tuner::Space space;
  space.bucket_bytes = {kMiB, 2 * kMiB, 8 * kMiB, 16 * kMiB, 32 * kMiB};
  space.chunk_bytes = {kMiB / 4, kMiB, 2 * kMiB};
  space.plans = {1, 2};
  space.sockets = {1};
  return space;
}

// Trains for `epochs`; what an epoch cost becomes known `delay` epochs later, or never where `lost`
// says so. Returns the setting of the last epoch.
Setting Train(Tuner* tuner, int epochs, const std::function<double(const Setting&)>& cost,
              uint64_t delay = 2, const std::function<bool(uint64_t)>& lost = nullptr) {
  std::deque<std::pair<uint64_t, double>> results;
  Setting setting;
  for (uint64_t epoch = 1; epoch <= static_cast<uint64_t>(epochs); ++epoch) {
    while (!results.empty() && results.front().first + delay <= epoch) {
      const auto [measured, seconds] = results.front();
      results.pop_front();
      if (lost == nullptr || !lost(measured)) tuner->Measured(measured, seconds);
    }
    setting = tuner->For(epoch);
    results.push_back({epoch, cost(setting)});
  }
  return setting;
}

// Separable: what is best in one respect does not depend on the others.
double Separable(const Setting& s) {
  const double plan[] = {1.0, 1.3, 0.6};
  const double bucket = std::abs(std::log2(static_cast<double>(s.bucket_bytes) / (8 * kMiB)));
  const double chunk = s.chunk_bytes == kMiB ? 0.0 : 0.3;
  const double sockets = s.sockets == 1 ? 0.2 : 0.0;
  return 0.010 * (plan[s.plan] + 0.2 * bucket + chunk + sockets);
}

TEST(Tuner, FindsTheBest) {
  for (uint64_t delay : {1, 2, 3}) {
    Tuner tuner(First(), Everything());
    const Setting last = Train(&tuner, 80, Separable, delay);
    EXPECT_TRUE(tuner.finished());
    EXPECT_EQ(last.plan, 2);
    EXPECT_EQ(last.bucket_bytes, 8 * kMiB);
    EXPECT_EQ(last.chunk_bytes, kMiB);
    EXPECT_EQ(last.sockets, 0);
    EXPECT_TRUE(last == tuner.best());
    const std::string news = tuner.TakeNews();
    EXPECT_NE(news.find("bucket_bytes 4194304 -> 8388608"), std::string::npos) << news;
    EXPECT_EQ(tuner.TakeNews(), "");
  }
}

TEST(Tuner, EndsWithinTheFirstSteps) {
  // Four stages try 3, 6, 4 and 2 settings, in three of them two meet again, and each waits for its
  // last result.
  Tuner tuner(First(), Everything());
  Train(&tuner, 3 + 6 + 4 + 2 + 3 * 2 + (4 + 3) * 2, Separable);
  EXPECT_TRUE(tuner.finished());
}

TEST(Tuner, WhatWonByChanceDoesNotWinTwice) {
  Tuner tuner(First(), Everything());
  int meetings = 0;
  const Setting last = Train(&tuner, 80, [&](const Setting& s) {
    return s.plan == 1 && meetings++ == 0 ? 0.005 : 0.010;  // better the first time only
  });
  EXPECT_EQ(meetings, 2);
  EXPECT_TRUE(tuner.finished());
  EXPECT_EQ(last.plan, 0);
}

TEST(Tuner, TriesEveryAlternativeAndReturnsToTheBestSoFar) {
  Tuner tuner(First(), Everything());
  std::set<int64_t> buckets;
  Train(&tuner, 80, [&](const Setting& s) {
    buckets.insert(s.bucket_bytes);
    return 0.01;
  });
  EXPECT_EQ(buckets.size(), 6u);
  EXPECT_TRUE(tuner.best() == First()) << "nothing was better";
}

TEST(Tuner, DifferencesOfLessThanFivePercentAreNoise) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    Tuner tuner(First(), Everything());
    std::uniform_real_distribution<double> noise(0.976, 1.024);  // at most 4.7% apart
    Train(&tuner, 80, [&](const Setting&) { return 0.02 * noise(random); });
    EXPECT_TRUE(tuner.finished());
    EXPECT_TRUE(tuner.best() == First());
    EXPECT_EQ(tuner.TakeNews(), "");
  }
}

TEST(Tuner, NoiseDoesNotHideWhatIsMuchBetter) {
  std::mt19937 random(2);
  for (int round = 0; round < 100; ++round) {
    Tuner tuner(First(), Everything());
    std::uniform_real_distribution<double> noise(0.98, 1.02);
    Train(&tuner, 80,
          [&](const Setting& s) { return (s.plan == 1 ? 0.008 : 0.010) * noise(random); });
    EXPECT_EQ(tuner.best().plan, 1);
  }
}

TEST(Tuner, SurvivesResultsThatNeverCome) {
  for (uint64_t every : {1, 2, 3, 5}) {
    Tuner tuner(First(), Everything());
    Train(&tuner, 200, Separable, 2, [every](uint64_t epoch) { return epoch % every == 0; });
    EXPECT_TRUE(tuner.finished()) << "every " << every;
    if (every == 1) {
      EXPECT_TRUE(tuner.best() == First()) << "nothing was known";
    }
    EXPECT_LE(Separable(tuner.best()), Separable(First()));
  }
}

TEST(Tuner, ResultsOfOtherEpochsAreIgnored) {
  Tuner tuner(First(), Everything());
  tuner.Measured(0, 1e-9);
  tuner.Measured(1000, 1e-9);
  const Setting last = Train(&tuner, 80, [&](const Setting& s) {
    tuner.Measured(5000, 1e-12);
    return Separable(s);
  });
  EXPECT_EQ(last.bucket_bytes, 8 * kMiB);
}

TEST(Tuner, WithNothingToTryItIsFinished) {
  Tuner tuner(First(), Tuner::Space());
  EXPECT_TRUE(tuner.finished());
  EXPECT_TRUE(tuner.For(1) == First());
  // Alternatives that are the setting itself are none.
  Tuner::Space space;
  space.bucket_bytes = {First().bucket_bytes};
  EXPECT_TRUE(Tuner(First(), space).finished());
}

}  // namespace
}  // namespace tf_ddl
