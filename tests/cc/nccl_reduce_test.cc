// Every dtype and plan, on jobs of 1 to 8 ranks, over the fake NCCL.
#include "nccl_buckets.h"

namespace tf_ddl {
namespace {

constexpr DType kDTypes[] = {DType::kFloat32,  DType::kFloat64, DType::kFloat16,
                             DType::kBFloat16, DType::kInt32,   DType::kInt64};

struct Case {
  std::vector<int> hosts;
  std::vector<DevicePlan> plans;
};

std::vector<Case> Cases() {
  return {
      {{1}, {{}}},
      {{2}, {{}, {{2}, 0}}},
      {{1, 1}, {{}, {{2}, 64}}},
      {{3}, {{}}},
      {{2, 2}, {{}, {{2, 2}, 0}, {{2, 2}, 512}}},
      {{1, 2}, {{}}},
      {{4, 4}, {{}, {{4, 2}, 0}, {{4, 2}, 1024}, {{2, 2, 2}, 1024}, {{8}, 0}}},
  };
}

const std::vector<std::vector<int64_t>> kBuckets = {
    {1000}, {7}, {1}, {0, 5, 0}, {33, 1, 500, 64, 3}, {0},
};

TEST(NcclReduce, EveryDtypeAndPlan) {
  Fake fake;
  for (const Case& c : Cases()) {
    NcclWorld world(c.hosts);
    ASSERT_TRUE(world.ok());
    Ends ends;
    std::vector<std::unique_ptr<Bucket>> buckets;
    std::vector<std::string> names;
    std::vector<bool> means;
    for (const DevicePlan& plan : c.plans) {
      for (const DType dtype : kDTypes) {
        for (const auto& counts : kBuckets) {
          for (const bool mean : {false, true}) {
            // Halves and quarters are exact; thirds are not.
            if (mean && (world.size() & (world.size() - 1)) != 0) continue;
            for (int rank = 0; rank < world.size(); ++rank) {
              buckets.push_back(
                  std::make_unique<Bucket>(dtype, counts, rank, buckets.size() % 3 == 0));
              names.push_back(std::string(NameOf(dtype)) + (mean ? " mean " : " sum ") +
                              ToString(plan) + " of " + std::to_string(counts[0]) + "...");
              means.push_back(mean);
              world[rank].Start(CollectiveOf(*buckets.back(),
                                             mean ? ReduceOp::kMean : ReduceOp::kSum, plan,
                                             ends.Add(), names.back()));
            }
          }
        }
      }
    }
    ASSERT_TRUE(ends.Wait()) << world[0].DescribeLast();
    ASSERT_TRUE(ends.First().ok()) << ends.First().message();
    for (size_t i = 0; i < buckets.size(); ++i) {
      EXPECT_EQ(buckets[i]->Wrong(world.size(), means[i]), "")
          << names[i] << ", rank " << i % world.size() << " of " << world.size();
    }
  }
  EXPECT_STREQ(fake.misuse(), "");
}

}  // namespace
}  // namespace tf_ddl
