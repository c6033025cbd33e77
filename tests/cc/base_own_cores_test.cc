// Shares of the machine's cores: disjoint, all of them together, and only where nobody has chosen.
#include "base/own_cores.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace tf_ddl {
namespace {

std::vector<int> Allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

// On a thread of its own, which is bound then, and not the test's.
template <typename F>
void OnAThread(F check) {
  std::thread(check).join();
}

bool AllAllowed() { return static_cast<long>(Allowed().size()) == sysconf(_SC_NPROCESSORS_ONLN); }

TEST(OwnCoresTest, SharesAreDisjointAndAreAllCores) {
  if (!AllAllowed()) GTEST_SKIP() << "this process is bound to some of the machine's cores";
  const std::vector<int> all = Allowed();
  for (int parts = 2; parts <= static_cast<int>(all.size()); ++parts) {
    std::vector<int> together;
    for (int part = 0; part < parts; ++part) {
      OnAThread([&] {
        const std::vector<int> share = KeepToShareOfCores(part, parts);
        EXPECT_FALSE(share.empty());
        EXPECT_EQ(Allowed(), share);
        together.insert(together.end(), share.begin(), share.end());
      });
    }
    EXPECT_EQ(together, all);
  }
  EXPECT_EQ(Allowed(), all);
}

TEST(OwnCoresTest, ASingleRankKeepsAllCores) {
  const std::vector<int> all = Allowed();
  OnAThread([&] {
    EXPECT_TRUE(KeepToShareOfCores(0, 1).empty());
    EXPECT_EQ(Allowed(), all);
  });
}

TEST(OwnCoresTest, MoreRanksThanCoresKeepAll) {
  const std::vector<int> all = Allowed();
  OnAThread([&] {
    EXPECT_TRUE(KeepToShareOfCores(1, static_cast<int>(all.size()) + 1).empty());
    EXPECT_EQ(Allowed(), all);
  });
}

TEST(OwnCoresTest, WhatSomebodyHasBoundStays) {
  const std::vector<int> all = Allowed();
  if (all.size() < 2) GTEST_SKIP() << "one core only";
  OnAThread([&] {
    cpu_set_t bound;
    CPU_ZERO(&bound);
    for (size_t i = 1; i < all.size(); ++i) CPU_SET(all[i], &bound);
    ASSERT_EQ(sched_setaffinity(0, sizeof bound, &bound), 0);
    EXPECT_TRUE(KeepToShareOfCores(0, 2).empty());
    EXPECT_EQ(Allowed(), std::vector<int>(all.begin() + 1, all.end()));
  });
}

}  // namespace
}  // namespace tf_ddl
