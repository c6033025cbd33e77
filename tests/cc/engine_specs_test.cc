// The pure parts of the engine: specifications, their comparison, buckets.
#include <gtest/gtest.h>

#include "engine/agreement.h"
#include "engine/buckets.h"
#include "engine/group_spec.h"

namespace tf_ddl {
namespace {

GroupSpec Model(std::vector<int64_t> last_shape, DType last_dtype = DType::kFloat32) {
  GroupSpec spec;
  spec.key = "model";
  spec.tensors = {{"a", DType::kFloat32, {3, 4}}, {"b", last_dtype, std::move(last_shape)}};
  return spec;
}

TEST(GroupSpec, SurvivesTheWire) {
  GroupSpec spec = Model({-1, 7}, DType::kBFloat16), back;
  spec.op = ReduceOp::kMean;
  ASSERT_TRUE(Parse(Serialize(spec), &back).ok());
  EXPECT_EQ(back.key, spec.key);
  EXPECT_EQ(back.op, ReduceOp::kMean);
  EXPECT_EQ(ToString(back.tensors[1]), "'b' bfloat16 [?,7]");
  EXPECT_EQ(Difference(spec, 0, back, 1), "");
}

TEST(GroupSpec, RefusesMalformedTexts) {
  const std::string good = Serialize(Model({5}));
  GroupSpec spec;
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(Parse(good.substr(0, n), &spec).ok());
  EXPECT_FALSE(Parse(good + "x", &spec).ok());
  std::string huge = good;
  huge[7] = 0x7F;  // the first length becomes enormous
  EXPECT_FALSE(Parse(huge, &spec).ok());
}

TEST(GroupSpec, DifferenceNamesTheFirstTensor) {
  EXPECT_EQ(Difference(Model({5}), 0, Model({6}), 2),
            "tensor 1: 'b' float32 [5] on rank 0, 'b' float32 [6] on rank 2");
  EXPECT_EQ(Difference(Model({5}), 0, Model({5}, DType::kFloat16), 1),
            "tensor 1: 'b' float32 [5] on rank 0, 'b' float16 [5] on rank 1");
  GroupSpec longer = Model({5});
  longer.tensors.push_back({"c", DType::kInt32, {}});
  EXPECT_EQ(Difference(Model({5}), 0, longer, 1),
            "tensor 2: 'c' int32 [] on rank 1, none on rank 0");
}

TEST(Agreement, IsCompleteWhenAllHaveCome) {
  Agreement agreement(3);
  bool complete = true;
  ASSERT_TRUE(agreement.Add(1, 0, Model({5}), &complete).ok());
  EXPECT_FALSE(complete);
  EXPECT_EQ(agreement.Missing(0), "rank 0, rank 2");
  ASSERT_TRUE(agreement.Add(0, 0, Model({5}), &complete).ok());
  ASSERT_TRUE(agreement.Add(2, 0, Model({5}), &complete).ok());
  EXPECT_TRUE(complete);
  ASSERT_TRUE(agreement.Add(0, 1, Model({5}), &complete).ok());
  EXPECT_EQ(agreement.Add(2, 1, Model({9}), &complete).code(), Code::kInvalidArgument);
}

TEST(Buckets, CloseAtTheirLimitsAndKeepDtypesApart) {
  std::vector<TensorSpec> tensors;
  for (int i = 0; i < 6; ++i) {
    tensors.push_back({"t", i == 3 ? DType::kFloat16 : DType::kFloat32, {100}});
  }
  const BucketLayout layout = AssignBuckets(tensors, ReverseOrder(6), 400, 800);
  const std::vector<std::vector<int>> expected = {{5}, {4, 2}, {1, 0}, {3}};
  EXPECT_EQ(layout.buckets, expected);
  EXPECT_EQ(layout.bucket_of, (std::vector<int>{2, 2, 1, 3, 1, 0}));
}

TEST(Buckets, HoldEveryTensorOnceWhateverTheSizes) {
  std::vector<TensorSpec> tensors;
  for (int i = 0; i < 200; ++i) {
    tensors.push_back({"t", static_cast<DType>(i % 3), {i % 11 == 0 ? -1 : i * i % 977}});
  }
  for (int64_t limit : {1, 1000, 1 << 30}) {
    const BucketLayout layout = AssignBuckets(tensors, ReverseOrder(200), limit / 2, limit);
    std::vector<int> flat;
    for (size_t b = 0; b < layout.buckets.size(); ++b) {
      for (int i : layout.buckets[b]) {
        EXPECT_EQ(layout.bucket_of[i], static_cast<int>(b));
        EXPECT_EQ(tensors[i].dtype, tensors[layout.buckets[b][0]].dtype);
        flat.push_back(i);
      }
    }
    EXPECT_TRUE(IsPermutation(flat, 200));
  }
}

TEST(Buckets, PermutationsAreRecognised) {
  EXPECT_TRUE(IsPermutation({2, 0, 1}, 3));
  EXPECT_FALSE(IsPermutation({2, 0}, 3));
  EXPECT_FALSE(IsPermutation({2, 0, 2}, 3));
  EXPECT_FALSE(IsPermutation({2, 0, 3}, 3));
}

}  // namespace
}  // namespace tf_ddl
