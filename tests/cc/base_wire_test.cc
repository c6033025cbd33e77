// The 16-bit wire formats against base/half.h and against what IEEE 754 says: every bit pattern,
// every neighbourhood of a rounding boundary, special values, lengths that are no multiple of a
// vector.
#include "base/wire.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "base/half.h"

namespace tf_ddl {
namespace {

constexpr WireFormat kFormats[] = {WireFormat::kBFloat16, WireFormat::kFloat16};

const char* NameOf(WireFormat format) {
  return format == WireFormat::kFloat16 ? "float16" : "bfloat16";
}

float ToFloat(WireFormat format, uint16_t bits) {
  return format == WireFormat::kFloat16 ? Float16::ToFloat({bits}) : BFloat16::ToFloat({bits});
}

uint16_t FromFloat(WireFormat format, float value) {
  return format == WireFormat::kFloat16 ? Float16::FromFloat(value).bits
                                        : BFloat16::FromFloat(value).bits;
}

// What the bits mean, from the definition of the format.
double Meaning(WireFormat format, uint16_t bits) {
  const int mantissa_bits = format == WireFormat::kFloat16 ? 10 : 7;
  const int bias = format == WireFormat::kFloat16 ? 15 : 127;
  const int exponents = format == WireFormat::kFloat16 ? 31 : 255;
  const int exponent = (bits >> mantissa_bits) & exponents;
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == exponents) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  const double significand = (exponent > 0 ? 1 << mantissa_bits : 0) + mantissa;
  return sign * std::ldexp(significand, std::max(exponent, 1) - bias - mantissa_bits);
}

std::vector<uint16_t> AllPatterns() {
  std::vector<uint16_t> all(1 << 16);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  return all;
}

bool SameFloat(float a, float b) {
  return FloatToBits(a) == FloatToBits(b) || (std::isnan(a) && std::isnan(b));
}

// Floats where rounding is decided: each value of the format, the middle between it and the next,
// and the floats beside these; then random bit patterns and special values.
std::vector<float> Telling(WireFormat format) {
  std::vector<float> values;
  for (int bits = 0; bits < 0x7FFF; ++bits) {
    const double here = Meaning(format, static_cast<uint16_t>(bits));
    if (!std::isfinite(here)) continue;
    double next = Meaning(format, static_cast<uint16_t>(bits + 1));
    if (!std::isfinite(next)) {  // what would come next
      next = 2 * here - Meaning(format, static_cast<uint16_t>(bits - 1));
    }
    for (double value : {here, (here + next) / 2}) {
      const float f = static_cast<float>(value);
      for (float near : {f, std::nextafter(f, INFINITY), std::nextafter(f, -INFINITY)}) {
        values.push_back(near);
        values.push_back(-near);
      }
    }
  }
  std::mt19937 random(20180217);
  for (int i = 0; i < 200000; ++i) values.push_back(BitsToFloat(random()));
  for (float special : {0.0f,
                        -0.0f,
                        INFINITY,
                        -INFINITY,
                        std::numeric_limits<float>::quiet_NaN(),
                        BitsToFloat(0x7F800001u),
                        BitsToFloat(0xFF800001u),
                        BitsToFloat(0x7FFFFFFFu),
                        std::numeric_limits<float>::max(),
                        std::numeric_limits<float>::lowest(),
                        std::numeric_limits<float>::min(),
                        std::numeric_limits<float>::denorm_min(),
                        65504.0f,
                        65519.996f,
                        65520.0f,
                        -65520.0f,
                        6.1035156e-5f,
                        5.9604645e-8f,
                        2.9802322e-8f,
                        1e-40f}) {
    values.push_back(special);
  }
  return values;
}

TEST(Wire, EveryPatternWidensToWhatItMeansAndNarrowsBackToItself) {
  const std::vector<uint16_t> wire = AllPatterns();
  std::vector<float> wide(wire.size());
  std::vector<uint16_t> back(wire.size());
  for (WireFormat format : kFormats) {
    Widen(format, wide.data(), wire.data(), static_cast<int64_t>(wire.size()));
    Narrow(format, back.data(), wide.data(), static_cast<int64_t>(wire.size()));
    for (size_t i = 0; i < wire.size(); ++i) {
      const double meaning = Meaning(format, wire[i]);
      ASSERT_TRUE(SameFloat(wide[i], ToFloat(format, wire[i]))) << NameOf(format) << " " << i;
      if (std::isnan(meaning)) {
        ASSERT_TRUE(std::isnan(wide[i])) << NameOf(format) << " " << i;
        ASSERT_TRUE(std::isnan(ToFloat(format, back[i]))) << NameOf(format) << " " << i;
        continue;
      }
      ASSERT_EQ(wide[i], meaning) << NameOf(format) << " " << i;
      ASSERT_EQ(std::signbit(wide[i]), std::signbit(meaning));
      ASSERT_EQ(back[i], wire[i]) << NameOf(format);
    }
  }
}

TEST(Wire, NarrowRoundsToNearestEven) {
  for (WireFormat format : kFormats) {
    const std::vector<float> values = Telling(format);
    std::vector<uint16_t> wire(values.size());
    Narrow(format, wire.data(), values.data(), static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      const float value = values[i];
      const uint16_t got = wire[i];
      ASSERT_EQ(got, FromFloat(format, value)) << NameOf(format) << " of " << value;
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(Meaning(format, got)));
        continue;
      }
      ASSERT_EQ((got & 0x8000) != 0, std::signbit(value));
      const uint16_t magnitude = got & 0x7FFF;
      const uint16_t infinity = format == WireFormat::kFloat16 ? 0x7C00 : 0x7F80;
      ASSERT_LE(magnitude, infinity);
      // No neighbour is nearer; of two that are equally near it is the even one. Infinity counts as
      // the value that would come next.
      const auto place = [&](uint16_t bits) {
        return bits == infinity ? 2 * Meaning(format, bits - 1) - Meaning(format, bits - 2)
                                : Meaning(format, bits);
      };
      const double exact = std::abs(static_cast<double>(value));
      const double error = std::isinf(value) ? 0 : std::abs(place(magnitude) - exact);
      if (std::isinf(value)) {
        ASSERT_EQ(magnitude, infinity);
      }
      for (int other : {magnitude - 1, magnitude + 1}) {
        if (other < 0 || other > infinity || std::isinf(value)) continue;
        if (magnitude == infinity && exact > place(infinity)) continue;
        const double theirs = std::abs(place(static_cast<uint16_t>(other)) - exact);
        ASSERT_LE(error, theirs) << NameOf(format) << " of " << value;
        if (error == theirs) {
          ASSERT_EQ(magnitude % 2, 0) << NameOf(format) << " of " << value;
        }
      }
    }
  }
}

TEST(Wire, RoundToIsNarrowAndWiden) {
  for (WireFormat format : kFormats) {
    const std::vector<float> values = Telling(format);
    const int64_t n = static_cast<int64_t>(values.size());
    std::vector<float> rounded = values, widened(values.size()), again(values.size());
    std::vector<uint16_t> wire(values.size());
    RoundTo(format, rounded.data(), n);
    Narrow(format, wire.data(), values.data(), n);
    Widen(format, widened.data(), wire.data(), n);
    again = rounded;
    RoundTo(format, again.data(), n);
    for (size_t i = 0; i < values.size(); ++i) {
      // To the bit, NaNs too: the owner of a sum keeps what the others receive.
      ASSERT_EQ(FloatToBits(rounded[i]), FloatToBits(widened[i])) << NameOf(format) << values[i];
      ASSERT_EQ(FloatToBits(rounded[i]), FloatToBits(again[i])) << NameOf(format) << values[i];
    }
  }
}

TEST(Wire, ErrorsStayWithinTheUnitRoundoff) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> exponent(-14, 15);
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) {
    values.push_back(std::exp2(exponent(random)) * (i % 2 == 0 ? 1.0f : -1.0f));
  }
  for (WireFormat format : kFormats) {
    const double roundoff = std::ldexp(1, format == WireFormat::kFloat16 ? -11 : -8);
    std::vector<float> rounded = values;
    RoundTo(format, rounded.data(), static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_LE(std::abs(static_cast<double>(rounded[i]) - values[i]),
                roundoff * std::abs(values[i]))
          << NameOf(format);
    }
  }
}

TEST(Wire, AddWireAddsTheWidenedValueOnce) {
  const std::vector<uint16_t> wire = AllPatterns();
  for (WireFormat format : kFormats) {
    for (float own : {0.0f, 1.0f, -3.5f, 1e30f, INFINITY, 1e-41f}) {
      std::vector<float> out(wire.size(), own), elsewhere(wire.size());
      const std::vector<float> owns(wire.size(), own);
      AddWire(format, elsewhere.data(), owns.data(), wire.data(),
              static_cast<int64_t>(wire.size()));
      AddWire(format, out.data(), out.data(), wire.data(), static_cast<int64_t>(wire.size()));
      for (size_t i = 0; i < wire.size(); ++i) {
        const float expected = own + ToFloat(format, wire[i]);
        ASSERT_TRUE(SameFloat(out[i], expected)) << NameOf(format) << " " << own << " + " << i;
        ASSERT_TRUE(SameFloat(elsewhere[i], expected)) << NameOf(format) << " " << i;
      }
    }
  }
}

// Vector loops have tails, and nothing beyond the n-th element may be touched.
TEST(Wire, AnyLengthAndNothingBeyond) {
  for (WireFormat format : kFormats) {
    for (int64_t n = 0; n <= 70; ++n) {
      std::vector<float> in(n);
      for (int64_t i = 0; i < n; ++i) in[i] = static_cast<float>(i) * 0.37f - 3;
      std::vector<uint16_t> wire(n + 1, 0xABCD);
      Narrow(format, wire.data(), in.data(), n);
      std::vector<float> wide(n + 1, -77), sum(n + 1, -77), rounded(n + 1, -77);
      Widen(format, wide.data(), wire.data(), n);
      std::copy(in.begin(), in.end(), rounded.begin());
      RoundTo(format, rounded.data(), n);
      AddWire(format, sum.data(), in.data(), wire.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(wire[i], FromFloat(format, in[i]));
        ASSERT_EQ(wide[i], ToFloat(format, wire[i]));
        ASSERT_EQ(rounded[i], wide[i]);
        ASSERT_EQ(sum[i], in[i] + wide[i]);
      }
      ASSERT_EQ(wire[n], 0xABCD);
      ASSERT_EQ(wide[n], -77);
      ASSERT_EQ(sum[n], -77);
      ASSERT_EQ(rounded[n], -77);
    }
  }
}

}  // namespace
}  // namespace tf_ddl
