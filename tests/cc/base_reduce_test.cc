#include "base/reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/half.h"

namespace tf_ddl {
namespace {

TEST(Half, EveryFloat16SurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const Float16 half{static_cast<uint16_t>(bits)};
    const float value = Float16::ToFloat(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Float16::ToFloat(Float16::FromFloat(value))));
    } else {
      ASSERT_EQ(Float16::FromFloat(value).bits, half.bits) << bits;
    }
  }
}

TEST(Half, Float16RoundsToNearestEven) {
  EXPECT_EQ(Float16::FromFloat(1.0f).bits, 0x3C00);
  EXPECT_EQ(Float16::FromFloat(1.0f + 1.0f / 2048).bits, 0x3C00);  // halfway: to even
  EXPECT_EQ(Float16::FromFloat(1.0f + 3.0f / 2048).bits, 0x3C02);
  EXPECT_EQ(Float16::FromFloat(65504.0f).bits, 0x7BFF);
  EXPECT_EQ(Float16::FromFloat(65519.0f).bits, 0x7BFF);
  EXPECT_EQ(Float16::FromFloat(65520.0f).bits, 0x7C00);
  EXPECT_EQ(Float16::FromFloat(-1e30f).bits, 0xFC00);
  EXPECT_EQ(Float16::FromFloat(std::ldexp(1.0f, -24)).bits, 0x0001);
  EXPECT_EQ(Float16::FromFloat(std::ldexp(1.0f, -25)).bits, 0x0000);
  EXPECT_EQ(Float16::FromFloat(std::ldexp(1.5f, -25)).bits, 0x0001);
  EXPECT_EQ(Float16::FromFloat(-0.0f).bits, 0x8000);
}

TEST(Half, BFloat16RoundsToNearestEven) {
  EXPECT_EQ(BFloat16::FromFloat(1.0f).bits, 0x3F80);
  EXPECT_EQ(BFloat16::FromFloat(1.0f + 1.0f / 256).bits, 0x3F80);
  EXPECT_EQ(BFloat16::FromFloat(1.0f + 3.0f / 256).bits, 0x3F82);
  EXPECT_EQ(BFloat16::FromFloat(std::numeric_limits<float>::infinity()).bits, 0x7F80);
  EXPECT_TRUE(std::isnan(BFloat16::ToFloat(BFloat16::FromFloat(std::nanf("")))));
}

TEST(Reduce, AddsInPlaceAndAside) {
  for (int64_t n : {0, 1, 7, 1000}) {
    std::vector<float> a(n, 1.5f), b(n, 2.0f), out(n);
    Add(DType::kFloat32, out.data(), a.data(), b.data(), n);
    Add(DType::kFloat32, a.data(), a.data(), b.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(out[i], 3.5f);
      ASSERT_EQ(a[i], 3.5f);
    }
  }
}

TEST(Reduce, UnalignedAddressesAreFine) {
  std::vector<uint8_t> memory(4 * 101 + 1);
  auto* a = reinterpret_cast<Float16*>(memory.data() + 2);
  for (int i = 0; i < 200; ++i) a[i] = Float16::FromFloat(static_cast<float>(i));
  Add(DType::kFloat16, a + 1, a + 1, a + 1, 199);
  for (int i = 1; i < 200; ++i) ASSERT_EQ(Float16::ToFloat(a[i]), 2.0f * i);
}

TEST(Reduce, IntegersWrapAndDivideTowardsZero) {
  std::vector<int32_t> a = {std::numeric_limits<int32_t>::max(), -7, 7}, b = {1, 0, 0};
  Add(DType::kInt32, a.data(), a.data(), b.data(), 3);
  EXPECT_EQ(a[0], std::numeric_limits<int32_t>::min());
  Divide(DType::kInt32, a.data() + 1, 2, 2);
  EXPECT_EQ(a[1], -3);
  EXPECT_EQ(a[2], 3);
}

TEST(Reduce, SlotsAreSummedInOrderAndRoundedOnce) {
  // 2048 + 1 is not a float16; rounding after each addition would lose both ones.
  std::vector<Float16> slots[3];
  const float values[3] = {2048.0f, 1.0f, 1.0f};
  const void* pointers[3];
  for (int s = 0; s < 3; ++s) {
    slots[s].assign(5000, Float16::FromFloat(values[s]));
    pointers[s] = slots[s].data();
  }
  SumSlots(DType::kFloat16, slots[0].data(), pointers, 3, 5000);
  for (const Float16& value : slots[0]) ASSERT_EQ(Float16::ToFloat(value), 2050.0f);
}

}  // namespace
}  // namespace tf_ddl
