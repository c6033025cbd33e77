// float32 that travels as 16 bits: what the kernels round, and what they must not touch.
#include <cmath>
#include <limits>

#include "base/wire.h"
#include "nccl_buckets.h"

namespace tf_ddl {
namespace {

// The kernels round as the host's loops do, whatever the values and the alignment.
TEST(NcclCompression, RoundsAsTheHostDoes) {
  Fake fake;
  for (const std::vector<int>& hosts : {std::vector<int>{2}, std::vector<int>{2, 2}}) {
    NcclWorld world(hosts);
    ASSERT_TRUE(world.ok());
    const int size = world.size();
    for (const WireFormat wire : {WireFormat::kBFloat16, WireFormat::kFloat16}) {
      for (const bool grid : {false, true}) {
        if (grid && hosts.size() == 1) continue;
        // Only rank 0 has something: the sums round no more. One tensor stands unaligned.
        std::vector<float> values = {1.0f,       -0.1f,    3.14159265f,
                                     1e-6f,      65504.0f, 1e-30f,
                                     7e4f,       -0.0f,    std::numeric_limits<float>::infinity(),
                                     1.00390625f};
        for (int i = 0; i < 9000; ++i) values.push_back(std::sin(static_cast<float>(i)) * i);
        std::vector<float> expected = values;
        RoundTo(wire, expected.data(), static_cast<int64_t>(expected.size()));
        std::vector<std::vector<float>> memory;
        Ends ends;
        for (int rank = 0; rank < size; ++rank) {
          memory.emplace_back(values.size() + 5, 0.0f);
          if (rank == 0) std::copy(values.begin(), values.end(), memory[0].begin() + 1);
        }
        for (int rank = 0; rank < size; ++rank) {
          auto collective = std::make_unique<DeviceCollective>();
          float* base = memory[rank].data() + 1;
          const auto n = static_cast<int64_t>(values.size());
          collective->segments = {
              {base, base, 3}, {base + 3, base + 3, 0}, {base + 3, base + 3, n - 3}};
          collective->wire = wire;
          if (grid) collective->plan = {{2, 2}, 4096};
          collective->done = ends.Add();
          world[rank].Start(std::move(collective));
        }
        ASSERT_TRUE(ends.Wait());
        ASSERT_TRUE(ends.First().ok()) << ends.First().message();
        for (int rank = 0; rank < size; ++rank) {
          for (size_t i = 0; i < values.size(); ++i) {
            ASSERT_EQ(memory[rank][i + 1], expected[i]) << "of " << values[i];
          }
          EXPECT_EQ(memory[rank][0], 0.0f);
          EXPECT_EQ(memory[rank][values.size() + 1], 0.0f);
        }
      }
    }
  }
  EXPECT_STREQ(fake.misuse(), "");
}

TEST(NcclCompression, NanStaysNanAndMeansAreDividedInFloat32) {
  Fake fake;
  NcclWorld world({3});
  ASSERT_TRUE(world.ok());
  std::vector<std::vector<float>> memory(3, {1.0f, std::nanf(""), 2.0f});
  Ends ends;
  for (int rank = 0; rank < 3; ++rank) {
    auto collective = std::make_unique<DeviceCollective>();
    memory[rank][0] = static_cast<float>(rank);
    collective->segments = {{memory[rank].data(), memory[rank].data(), 3}};
    collective->op = ReduceOp::kMean;
    collective->wire = WireFormat::kBFloat16;
    collective->done = ends.Add();
    world[rank].Start(std::move(collective));
  }
  ASSERT_TRUE(ends.Wait());
  for (const auto& values : memory) {
    EXPECT_EQ(values[0], 1.0f);
    EXPECT_TRUE(std::isnan(values[1]));
    EXPECT_EQ(values[2], 2.0f);
  }
}

// Other dtypes, and a world of one, travel as they are.
TEST(NcclCompression, OnlyFloat32ThatTravels) {
  Fake fake;
  NcclWorld one({1}), two({2});
  ASSERT_TRUE(one.ok() && two.ok());
  std::vector<float> exact = {0.1f, 0.2f};
  Ends ends;
  auto collective = std::make_unique<DeviceCollective>();
  collective->segments = {{exact.data(), exact.data(), 2}};
  collective->wire = WireFormat::kFloat16;
  collective->done = ends.Add();
  one[0].Start(std::move(collective));
  std::vector<std::vector<double>> wide(2, {0.1, 0.2});
  for (int rank = 0; rank < 2; ++rank) {
    collective = std::make_unique<DeviceCollective>();
    collective->dtype = DType::kFloat64;
    collective->segments = {{wide[rank].data(), wide[rank].data(), 2}};
    collective->wire = WireFormat::kFloat16;
    collective->done = ends.Add();
    two[rank].Start(std::move(collective));
  }
  ASSERT_TRUE(ends.Wait());
  EXPECT_EQ(exact[0], 0.1f);
  EXPECT_EQ(wide[1][1], 0.4);
  EXPECT_EQ(fake.calls("cuLaunchKernel"), 0);
}

// Integers are divided towards zero, as on the host.
TEST(NcclCompression, MeansOfNegativeIntegers) {
  Fake fake;
  NcclWorld world({2});
  ASSERT_TRUE(world.ok());
  std::vector<std::vector<int64_t>> wide(2, {-7, 7, 1});
  std::vector<std::vector<int32_t>> narrow(2, {-7, 7, 1});
  Ends ends;
  for (int rank = 0; rank < 2; ++rank) {
    wide[rank][0] += rank;
    narrow[rank][1] -= rank;
    auto collective = std::make_unique<DeviceCollective>();
    collective->dtype = DType::kInt64;
    collective->op = ReduceOp::kMean;
    collective->segments = {{wide[rank].data(), wide[rank].data(), 3}};
    collective->done = ends.Add();
    world[rank].Start(std::move(collective));
    collective = std::make_unique<DeviceCollective>();
    collective->dtype = DType::kInt32;
    collective->op = ReduceOp::kMean;
    collective->segments = {{narrow[rank].data(), narrow[rank].data(), 3}};
    collective->done = ends.Add();
    world[rank].Start(std::move(collective));
  }
  ASSERT_TRUE(ends.Wait());
  EXPECT_EQ(wide[0], (std::vector<int64_t>{-6, 7, 1}));
  EXPECT_EQ(narrow[1], (std::vector<int32_t>{-7, 6, 1}));
}

}  // namespace
}  // namespace tf_ddl
