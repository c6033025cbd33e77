// Proves and measures the GPU path on this machine: benchmarks/gpu.sh builds and starts it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "parts.h"

namespace tf_ddl::gpu {

void Figures::Add(const std::string& name, double value) { figures_.emplace_back(name, value); }

void Figures::Target(const std::string& name, double value, const char* unit, double limit,
                     bool at_most) {
  Add(name, value);
  if (!judged_) return;
  const bool met = at_most ? value <= limit : value >= limit;
  std::printf("target: %s: %.2f %s, at %s %g: %s\n", name.c_str(), value, unit,
              at_most ? "most" : "least", limit, met ? "met" : "MISSED");
}

void Figures::Write(const std::string& path, const std::string& device) const {
  std::ofstream file(path);
  file << "{\"device\": \"" << device << "\", \"figures\": {";
  const char* separator = "";
  for (const auto& [name, value] : figures_) {
    file << separator << "\n  \"" << name << "\": " << value;
    separator = ",";
  }
  file << "\n}}\n";
}

namespace {

constexpr char kUsage[] =
    "usage: gpu_bench [--nccl LIBRARY] [--cuda LIBRARY] [--ranks N] [--small] [--json FILE]\n"
    "                 [--without-processes]\n"
    "  --ranks N            on N GPUs, or sharing them (default: 1, and 2)\n"
    "  --small              few and small sizes: shows that it runs\n"
    "  --without-processes  leave out the part in which a process is killed\n";

int Main(int argc, char** argv) {
  Settings settings;
  settings.self = argv[0];
  std::vector<int> sizes = {1, 2};
  bool processes = true;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 < argc) return argv[++i];
      std::fputs(kUsage, stderr);
      std::exit(2);
    };
    if (word == "--nccl") {
      settings.libraries.nccl.push_back(value());
    } else if (word == "--cuda") {
      settings.libraries.cuda.push_back(value());
    } else if (word == "--ranks") {
      sizes = {std::atoi(value().c_str())};
    } else if (word == "--small") {
      settings.small = true;
    } else if (word == "--without-processes") {
      processes = false;
    } else if (word == "--json") {
      settings.json = value();
    } else if (word == "--role") {
      settings.role = value();
    } else if (word == "--id-file") {
      settings.id_file = value();
    } else {
      std::fputs(kUsage, stderr);
      return 2;
    }
  }
  settings.libraries.only_these_nccl = !settings.libraries.nccl.empty();
  settings.libraries.only_these_cuda = !settings.libraries.cuda.empty();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  // Read by NCCL when it starts; harmless where no GPU is shared and it is old.
  setenv("NCCL_MULTI_RANK_GPU_ENABLE", "1", 0);
  setenv("NCCL_NVLS_ENABLE", "0", 0);
  if (!settings.role.empty()) return PlayPeer(settings);

  std::printf("%s\n", ReportDeviceLibraries(settings.libraries).c_str());
  const int gpus = NumGpus(settings), version = NcclVersion(settings);
  if (gpus == 0) {
    std::fprintf(stderr, "there is no GPU\n");
    return 1;
  }
  std::string device;
  Figures figures(!settings.small);
  int wrong = 0;
  bool several = false;
  for (const int size : sizes) {
    if (size > gpus && version < NcclVersionCode(2, 30, 0)) {
      std::printf(
          "\n%d ranks on %d GPU(s): NCCL %d.%d does not let ranks share a GPU (2.30 does); left "
          "out\n",
          size, gpus, version / 10000, version / 100 % 100);
      continue;
    }
    several |= size > 1;
    RunRanks(settings, size, true, [&](Rank& rank) {
      if (rank.rank == 0) device = rank.communicator->Describe();
    });
    std::printf("\n%s\n", device.c_str());
    wrong += CheckResults(settings, size);
    MeasureOverhead(settings, size, &figures);
    MeasureOverlap(settings, size, &figures);
  }
  bool aborted = true;
  if (processes && several) {
    aborted = AbortAfterDeath(settings, &figures);
  } else {
    std::printf("\nabort after a peer was killed: left out, %s\n",
                processes ? "it takes two ranks" : "as asked");
  }
  if (!settings.json.empty()) figures.Write(settings.json, device);
  return wrong == 0 && aborted ? 0 : 1;
}

}  // namespace
}  // namespace tf_ddl::gpu

int main(int argc, char** argv) { return tf_ddl::gpu::Main(argc, argv); }
