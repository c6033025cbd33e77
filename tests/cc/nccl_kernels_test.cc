// What the GPU kernels are loaded from: the build's fatbin where there is code for the GPU in it,
// else the PTX that is shipped.
#include "nccl/kernels.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/sha256.h"
#include "nccl/kernel_images.h"
#include "nccl_buckets.h"

namespace tf_ddl {
namespace {

// As nvcc's begin; the fake driver looks no further.
const uint32_t kFatbin[4] = {0xBA55ED50, 0x00100001, 0, 0};
const char kNotForAnyGpu[] = "neither a fatbin nor PTX";

class NcclKernels : public testing::Test {
 protected:
  NcclKernels() {
    std::shared_ptr<const DeviceLibraries> libraries;
    EXPECT_TRUE(DeviceLibraries::Open(FakePaths(), &libraries).ok());
    EXPECT_TRUE(Device::Open(libraries, 0, &device_).ok());
    EXPECT_TRUE(device_->MakeCurrent().ok());
  }
  ~NcclKernels() override { unsetenv("FAKE_CUDA_FATBIN"); }

  Status Load(const std::vector<KernelImage>& images, std::string* form) {
    std::unique_ptr<Kernels> kernels;
    const Status status = Kernels::Load(device_, images, &kernels);
    if (status.ok()) *form = kernels->form();
    return status;
  }

  Fake fake_;
  std::shared_ptr<Device> device_;
};

TEST_F(NcclKernels, TheShippedPtxIsOfTheseKernels) {
  std::ifstream file(std::string(DDL_SOURCE_DIR) + "/custom_ops/nccl/kernels.cu");
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_GT(text.str().size(), 1000u);
  Sha256 hash;
  hash.Update(text.str().data(), text.str().size());
  const Digest digest = hash.Finish();
  char hex[17];
  for (int i = 0; i < 8; ++i) std::snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  EXPECT_STREQ(hex, kKernelsSource) << "run custom_ops/nccl/make_ptx.sh";
}

TEST_F(NcclKernels, ThePtxIsShippedWhateverTheBuildFound) {
  const std::vector<KernelImage> images = ShippedKernels();
  ASSERT_GE(images.size(), 1u);
  ASSERT_LE(images.size(), 2u);
  EXPECT_EQ(images.back().form, "PTX");
  EXPECT_EQ(images.back().data, kKernelsPtx);
  if (images.size() == 2) {
    EXPECT_EQ(images[0].form.rfind("fatbin by nvcc ", 0), 0u) << images[0].form;
    uint32_t magic = 0;
    std::memcpy(&magic, images[0].data, sizeof magic);
    EXPECT_EQ(magic, kFatbin[0]);
  }
}

TEST_F(NcclKernels, TheFatbinComesFirst) {
  std::string form;
  ASSERT_TRUE(Load({{"fatbin", kFatbin}, {"PTX", kKernelsPtx}}, &form).ok());
  EXPECT_EQ(form, "fatbin");
  EXPECT_EQ(fake_.calls("cuModuleLoadData"), 1);
}

TEST_F(NcclKernels, OfAGpuThatTheFatbinIsNotForThePtx) {
  setenv("FAKE_CUDA_FATBIN", "0", 1);
  std::string form;
  ASSERT_TRUE(Load({{"fatbin", kFatbin}, {"PTX", kKernelsPtx}}, &form).ok());
  EXPECT_EQ(form, "PTX");
  EXPECT_EQ(fake_.calls("cuModuleLoadData"), 2);
}

TEST_F(NcclKernels, BothFormsReduce) {
  for (const char* fatbins : {"1", "0"}) {
    setenv("FAKE_CUDA_FATBIN", fatbins, 1);
    NcclWorld world({2});
    ASSERT_TRUE(world.ok());
    const std::string form = *fatbins == '1' ? ShippedKernels()[0].form : "PTX";
    EXPECT_NE(world[0].Describe().find("kernels from " + form), std::string::npos)
        << world[0].Describe();
    Ends ends;
    std::vector<std::unique_ptr<Bucket>> buckets;
    for (int rank = 0; rank < 2; ++rank) {
      buckets.push_back(std::make_unique<Bucket>(DType::kFloat32, std::vector<int64_t>(200, 9),
                                                 rank, false));  // so many are packed
      world[rank].Start(CollectiveOf(*buckets.back(), ReduceOp::kSum, {}, ends.Add()));
    }
    ASSERT_TRUE(ends.Wait());
    EXPECT_GT(fake_.calls("cuLaunchKernel"), 0);
    for (const auto& bucket : buckets) EXPECT_EQ(bucket->Wrong(2, false), "");
  }
  EXPECT_STREQ(fake_.misuse(), "");
}

TEST_F(NcclKernels, AGpuThatFailsIsNotAMatterOfTheImage) {
  fake_.fail("cuModuleLoadData", 1, kCudaErrorOutOfMemory);
  std::string form;
  const Status status = Load({{"fatbin", kFatbin}, {"PTX", kKernelsPtx}}, &form);
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_NE(status.message().find("cuModuleLoadData of the fatbin failed on GPU 0"),
            std::string::npos)
      << status.message();
  EXPECT_EQ(fake_.calls("cuModuleLoadData"), 1);
}

TEST_F(NcclKernels, AGpuForWhichThereIsNothingIsAnErrorThatNamesThePtx) {
  std::string form;
  const Status status = Load({{"fatbin", kNotForAnyGpu}, {"PTX", kNotForAnyGpu}}, &form);
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_NE(status.message().find("cuModuleLoadData of the PTX failed"), std::string::npos)
      << status.message();
}

TEST_F(NcclKernels, TextWithoutAKernelIsRefused) {
  const std::string ptx(kKernelsPtx);
  const std::string without = ptx.substr(0, ptx.find(".visible .entry ddl_divide_i64"));
  std::string form;
  EXPECT_FALSE(Load({{"PTX", without.c_str()}}, &form).ok());
}

}  // namespace
}  // namespace tf_ddl
