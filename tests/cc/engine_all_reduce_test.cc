// All-reduce over every rank count, awkward size, dtype, in place and out of place. Values are
// small integers, so that sums are exact in every dtype and order.
#include <cstring>
#include <tuple>

#include "engine_harness.h"

namespace tf_ddl {
namespace {

// Rank r's elements. Sums over 9 ranks stay below 128: exact in bfloat16 too.
Sawtooth Values(int rank) { return {1, rank}; }

Sawtooth Sum(int size) { return {size, size * (size - 1) / 2}; }

class Sweep : public testing::TestWithParam<std::tuple<int, bool>> {};

void CheckAllReduce(World* world, int64_t count, DType dtype, bool in_place, int repeat) {
  const std::string key =
      std::string(NameOf(dtype)) + " " + std::to_string(count) + (in_place ? " in place" : "");
  const int size = world->size();
  world->Run([&](int rank, Engine& engine) {
    uint64_t group;
    ASSERT_TRUE(engine.RegisterGroup(OneTensor(key, dtype, {count}), &group).ok());
    std::vector<uint8_t> in(count * SizeOf(dtype) + 1), out(count * SizeOf(dtype) + 1, 0xEE);
    for (int again = 0; again < repeat; ++again) {
      Values(rank).Put(dtype, in.data(), count);
      void* result = in_place ? in.data() : out.data();
      Latch latch(1);
      engine.AllReduce(group, 0, in.data(), result, count, latch.Callback());
      const Status status = latch.Wait();
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_TRUE(Sum(size).IsIn(dtype, result, count)) << key << " rank " << rank;
      if (!in_place) {
        ASSERT_TRUE(Values(rank).IsIn(dtype, in.data(), count)) << key << " rank " << rank;
        ASSERT_EQ(out[count * SizeOf(dtype)], 0xEE) << "written past the end";
      }
    }
  });
}

TEST_P(Sweep, EveryDtypeAndSize) {
  const int size = std::get<0>(GetParam());
  EngineOptions options;
  options.chunk_bytes = 64 << 10;
  World world(size, options, std::get<1>(GetParam()));
  for (DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16,
                      DType::kInt32, DType::kInt64}) {
    for (int64_t count : {0, 1, 3, 17, 1023, 40000}) {
      CheckAllReduce(&world, count, dtype, true, 2);
      CheckAllReduce(&world, count, dtype, false, 1);
    }
  }
  const int64_t many = ((kSanitized ? 256 : 1024) << 10) + 1;
  CheckAllReduce(&world, many, DType::kFloat32, true, 1);
  CheckAllReduce(&world, many, DType::kFloat16, false, 1);
}

INSTANTIATE_TEST_SUITE_P(Ranks, Sweep,
                         testing::Combine(testing::Range(1, kSanitized ? 6 : 10), testing::Bool()),
                         [](const auto& info) {
                           return std::to_string(std::get<0>(info.param)) +
                                  (std::get<1>(info.param) ? "_pull" : "_ring");
                         });

TEST(AllReduce, MeanDividesOnce) {
  World world(3);
  for (int64_t count : {5, 100000}) {
    for (DType dtype : {DType::kFloat32, DType::kFloat64, DType::kBFloat16, DType::kInt32}) {
      world.Run([&](int rank, Engine& engine) {
        uint64_t group;
        const std::string key = std::string(NameOf(dtype)) + std::to_string(count);
        ASSERT_TRUE(
            engine.RegisterGroup(OneTensor(key, dtype, {count}, ReduceOp::kMean), &group).ok());
        std::vector<uint8_t> data(count * SizeOf(dtype));
        Values(rank).Put(dtype, data.data(), count);
        Latch latch(1);
        engine.AllReduce(group, 0, data.data(), data.data(), count, latch.Callback());
        ASSERT_TRUE(latch.Wait().ok());
        const Sawtooth mean{1, 1};
        ASSERT_TRUE(mean.IsIn(dtype, data.data(), count)) << NameOf(dtype);
      });
    }
  }
}

TEST(AllReduce, BitsAreEqualOnEveryRank) {
  for (int64_t count : {1000, 300001}) {
    World world(5);
    std::vector<std::vector<float>> results(5);
    world.Run([&](int rank, Engine& engine) {
      uint64_t group;
      ASSERT_TRUE(engine.RegisterGroup(OneTensor("bits", DType::kFloat32, {count}), &group).ok());
      std::vector<float> data(count);
      for (int64_t i = 0; i < count; ++i) {
        data[i] = 1.0f / static_cast<float>(1 + (i * 7919 + rank * 104729) % 1000003);
      }
      Latch latch(1);
      engine.AllReduce(group, 0, data.data(), data.data(), count, latch.Callback());
      ASSERT_TRUE(latch.Wait().ok());
      results[rank] = data;
    });
    for (int rank = 1; rank < 5; ++rank) {
      ASSERT_EQ(0, std::memcmp(results[0].data(), results[rank].data(), count * sizeof(float)));
    }
  }
}

}  // namespace
}  // namespace tf_ddl
