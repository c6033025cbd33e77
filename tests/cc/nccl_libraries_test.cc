// What is said of libraries that are missing, too old or without a GPU.
#include "nccl/libraries.h"

#include <cstdlib>

#include "nccl_harness.h"

namespace tf_ddl {
namespace {

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }

 private:
  const char* const name_;
};

Status OpenWith(const LibraryPaths& paths) {
  std::shared_ptr<const DeviceLibraries> libraries;
  return DeviceLibraries::Open(paths, &libraries);
}

TEST(NcclLibraries, BothAreFound) {
  std::shared_ptr<const DeviceLibraries> libraries;
  ASSERT_TRUE(DeviceLibraries::Open(FakePaths(), &libraries).ok());
  EXPECT_EQ(libraries->nccl_version(), "2.30.7");
  const std::string report = ReportDeviceLibraries(FakePaths());
  EXPECT_TRUE(Has(report, R"({"usable": true, "why": "", "nccl": {"path": ")")) << report;
  EXPECT_TRUE(Has(report, R"(libfake_nccl.so", "version": "2.30.7", "usable": true)")) << report;
  EXPECT_TRUE(Has(report, R"("version": "13.0")")) << report;
  EXPECT_TRUE(Has(report, R"({"ordinal": 7, "name": "fake GPU of host memory", )")) << report;
  EXPECT_TRUE(Has(report, R"("compute_capability": "9.0"})")) << report;
}

TEST(NcclLibraries, WhatIsMissingIsNamedWithWhereItWasSought) {
  LibraryPaths paths = FakePaths();
  paths.nccl = {"/nowhere/libnccl.so.2", "/elsewhere/libnccl.so.2"};
  const Status status = OpenWith(paths);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_TRUE(Has(status.message(), "NCCL was not found: /nowhere/libnccl.so.2: "))
      << status.message();
  EXPECT_TRUE(Has(status.message(), "; /elsewhere/libnccl.so.2: ")) << status.message();
  const std::string report = ReportDeviceLibraries(paths);
  EXPECT_TRUE(Has(report, R"("tried": [{"path": "/nowhere/libnccl.so.2", "error": ")")) << report;

  paths = FakePaths();
  paths.cuda = {};
  EXPECT_TRUE(Has(OpenWith(paths).message(), "the CUDA driver was not found: no path was given"));
}

TEST(NcclLibraries, TheFirstThatCanBeOpenedIsTaken) {
  LibraryPaths paths = FakePaths();
  paths.nccl.insert(paths.nccl.begin(), "/nowhere/libnccl.so.2");
  EXPECT_TRUE(OpenWith(paths).ok());
  EXPECT_TRUE(Has(ReportDeviceLibraries(paths), R"("tried": [{"path": "/nowhere)"));
}

TEST(NcclLibraries, AnotherLibraryLacksSymbols) {
  LibraryPaths paths = FakePaths();
  paths.nccl = {"libm.so.6"};
  const Status status = OpenWith(paths);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_TRUE(Has(status.message(), "it lacks ncclGetVersion (since NCCL 2.2), "))
      << status.message();
  EXPECT_TRUE(
      Has(ReportDeviceLibraries(paths), R"({"symbol": "ncclCommSplit", "since": "NCCL 2.18"})"));
}

TEST(NcclLibraries, OldVersionsAreRefused) {
  {
    const Environment old("FAKE_NCCL_VERSION", "21705");
    EXPECT_TRUE(Has(OpenWith(FakePaths()).message(), "NCCL 2.17.5 (")) << "version";
    EXPECT_TRUE(Has(OpenWith(FakePaths()).message(), "too old: 2.18.1 is the first"));
  }
  {
    const Environment old("FAKE_NCCL_VERSION", "2804");
    EXPECT_TRUE(Has(OpenWith(FakePaths()).message(), "NCCL 2.8.4 ("));
  }
  {
    const Environment old("FAKE_CUDA_VERSION", "10020");
    EXPECT_TRUE(Has(OpenWith(FakePaths()).message(), "is of CUDA 10.2; 11.0 is the oldest"));
  }
}

TEST(NcclLibraries, ADriverThatDoesNotStart) {
  Fake fake;
  fake.fail("cuInit", 1, kCudaErrorNoDevice);
  EXPECT_TRUE(Has(OpenWith(FakePaths()).message(), "does not start: an error of the fake driver"));
}

TEST(NcclLibraries, NoGpu) {
  const Environment none("FAKE_CUDA_DEVICES", "0");
  EXPECT_TRUE(OpenWith(FakePaths()).ok());
  const std::string report = ReportDeviceLibraries(FakePaths());
  EXPECT_TRUE(Has(report, R"("usable": false, "why": "the CUDA driver sees no GPU")")) << report;
  NcclOptions options;
  options.libraries = FakePaths();
  options.unique_id.assign(128, 'x');
  std::unique_ptr<DeviceCommunicator> communicator;
  const Status status = CreateNcclCommunicator(options, &communicator);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "there is no GPU 0: the CUDA driver shows 0 to this process");
}

TEST(NcclLibraries, OptionsThatDoNotFit) {
  NcclOptions options;
  options.libraries = FakePaths();
  std::unique_ptr<DeviceCommunicator> communicator;
  const auto refused = [&] { return CreateNcclCommunicator(options, &communicator).message(); };
  EXPECT_TRUE(Has(refused(), "the unique id has 0 bytes, not 128"));
  options.unique_id.assign(128, 'x');
  options.rank = 1;
  EXPECT_TRUE(Has(refused(), "rank 1 of 1"));
  options.rank = 0;
  options.hosts = {"a", "b"};
  EXPECT_TRUE(Has(refused(), "hosts of 2 ranks for a job of 1"));
  options.hosts = {};
  options.links.local.beta = 0;
  EXPECT_TRUE(Has(refused(), "betas above 0"));
}

}  // namespace
}  // namespace tf_ddl
