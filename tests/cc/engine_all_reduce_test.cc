// All-reduce over every rank count, awkward size, dtype, in place and out of place. Values are
// small integers, so that sums are exact in every dtype and order.
#include <cstring>
#include <tuple>

#include "engine_harness.h"

namespace tf_ddl {
namespace {

// Rank r's element i. Sums over 9 ranks stay below 128: exact in bfloat16 too.
double Value(int rank, int64_t i) { return static_cast<double>((i % 7) + rank); }

double Sum(int size, int64_t i) {
  double sum = 0;
  for (int rank = 0; rank < size; ++rank) sum += Value(rank, i);
  return sum;
}

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
      for (int64_t i = 0; i < count; ++i) Put(dtype, in.data(), i, Value(rank, i));
      void* result = in_place ? in.data() : out.data();
      Latch latch(1);
      engine.AllReduce(group, 0, in.data(), result, count, latch.Callback());
      const Status status = latch.Wait();
      ASSERT_TRUE(status.ok()) << status.message();
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(Get(dtype, result, i), Sum(size, i)) << key << " rank " << rank << " at " << i;
      }
      if (!in_place) {
        for (int64_t i = 0; i < count; i += 97) ASSERT_EQ(Get(dtype, in.data(), i), Value(rank, i));
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
  CheckAllReduce(&world, (1 << 20) + 1, DType::kFloat32, true, 1);
  CheckAllReduce(&world, (1 << 20) + 1, DType::kFloat16, false, 1);
}

INSTANTIATE_TEST_SUITE_P(Ranks, Sweep, testing::Combine(testing::Range(1, 10), testing::Bool()),
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
        for (int64_t i = 0; i < count; ++i) Put(dtype, data.data(), i, Value(rank, i));
        Latch latch(1);
        engine.AllReduce(group, 0, data.data(), data.data(), count, latch.Callback());
        ASSERT_TRUE(latch.Wait().ok());
        for (int64_t i = 0; i < count; ++i) {
          ASSERT_EQ(Get(dtype, data.data(), i), Sum(3, i) / 3) << NameOf(dtype) << " at " << i;
        }
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
