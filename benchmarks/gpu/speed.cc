// Times. As nccl-tests: the mean time of a call over many that were issued one behind the other,
// algbw = bytes / time, busbw = algbw * 2(n-1)/n; out of place; the slowest rank counts.
#include <algorithm>
#include <cstdio>

#include "base/time.h"
#include "nccl/kernels.h"
#include "parts.h"

namespace tf_ddl::gpu {
namespace {

struct Shape {
  const char* name;
  int64_t bytes;
  int tensors;
};

std::vector<Shape> Shapes(const Settings& settings) {
  if (settings.small) return {{"4 KB", 4 << 10, 1}, {"40 KB in 20 tensors", 40 << 10, 20}};
  return {{"64 KB", 64 << 10, 1},
          {"1 MB", 1 << 20, 1},
          {"1 MB in 200 tensors", 1 << 20, 200},
          {"25 MB", 25 << 20, 1},
          {"25 MB in 20 tensors", 25 << 20, 20},
          {"100 MB", 100 << 20, 1}};
}

std::vector<TensorSegment> Segments(const Shape& shape, const Memory& in, const Memory& out) {
  std::vector<TensorSegment> segments;
  const int64_t count = shape.bytes / 4 / shape.tensors / 4 * 4;
  for (int t = 0; t < shape.tensors; ++t) {
    segments.push_back({static_cast<const float*>(in.get()) + t * count,
                        static_cast<float*>(out.get()) + t * count, count});
  }
  return segments;
}

void Raw(const Rank& rank, const std::vector<TensorSegment>& segments) {
  Require(rank.nccl().group_start(), "ncclGroupStart");
  for (const TensorSegment& segment : segments) {
    Require(rank.nccl().all_reduce(segment.in, segment.out, segment.count, kNcclFloat32, kNcclSum,
                                   rank.raw, rank.stream),
            "ncclAllReduce");
  }
  Require(rank.nccl().group_end(), "ncclGroupEnd");
}

void Ours(const Rank& rank, const std::vector<TensorSegment>& segments, WireFormat wire,
          Pending* pending) {
  auto collective = std::make_unique<DeviceCollective>();
  collective->segments = segments;
  collective->wire = wire;
  collective->name = "benchmark";
  collective->done = pending->Add();
  rank.communicator->Start(std::move(collective));
}

// Seconds of a call, of the slowest rank, the best of a few rounds.
template <typename Body>
double Time(const Settings& settings, const Rank& rank, std::vector<double>* all, Body body) {
  const int calls = settings.small ? 5 : 50;
  const int rounds = settings.small ? 2 : 7;
  body(calls / 2 + 1);
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    rank.barrier->Wait();
    const int64_t begin = NowNanos();
    body(calls);
    (*all)[rank.rank] = 1e-9 * static_cast<double>(NowNanos() - begin) / calls;
    rank.barrier->Wait();
    best = std::min(best, *std::max_element(all->begin(), all->end()));
    rank.barrier->Wait();
  }
  return best;
}

}  // namespace

void MeasureOverhead(const Settings& settings, int size, Figures* figures) {
  std::printf("\n%d rank(s), float32, sum, out of place; times in microseconds, busbw in GB/s\n",
              size);
  std::printf("%-22s %10s %10s %10s %9s %10s %12s %10s\n", "bucket", "NCCL", "tf_ddl", "overhead",
              "busbw", "as bf16", "own host", "non-block.");
  std::vector<double> all(size);
  std::vector<double> non_blocking;
  const std::vector<Shape> shapes = Shapes(settings);
  RunRanks(settings, size, false, [&](Rank& rank) {
    for (const Shape& shape : shapes) {
      const Memory in(rank.cuda(), shape.bytes), out(rank.cuda(), shape.bytes);
      const auto segments = Segments(shape, in, out);
      const double seconds = Time(settings, rank, &all, [&](int calls) {
        Pending pending;
        for (int i = 0; i < calls; ++i) Ours(rank, segments, WireFormat::kAsIs, &pending);
        pending.Wait();
      });
      if (rank.rank == 0) non_blocking.push_back(seconds);
      rank.barrier->Wait();
    }
  });
  RunRanks(settings, size, true, [&](Rank& rank) {
    for (size_t s = 0; s < shapes.size(); ++s) {
      const Shape& shape = shapes[s];
      const Memory in(rank.cuda(), shape.bytes), out(rank.cuda(), shape.bytes);
      const auto segments = Segments(shape, in, out);
      const double raw = Time(settings, rank, &all, [&](int calls) {
        for (int i = 0; i < calls; ++i) Raw(rank, segments);
        rank.Synchronize();
      });
      const LaunchCosts before = NcclLaunchCosts(*rank.communicator);
      const double ours = Time(settings, rank, &all, [&](int calls) {
        Pending pending;
        for (int i = 0; i < calls; ++i) Ours(rank, segments, WireFormat::kAsIs, &pending);
        pending.Wait();
      });
      const LaunchCosts after = NcclLaunchCosts(*rank.communicator);
      const double narrow = Time(settings, rank, &all, [&](int calls) {
        Pending pending;
        for (int i = 0; i < calls; ++i) Ours(rank, segments, WireFormat::kBFloat16, &pending);
        pending.Wait();
      });
      const double own =
          (after.seconds - before.seconds - (after.library_seconds - before.library_seconds)) /
          static_cast<double>(after.buckets - before.buckets);
      if (rank.rank != 0) continue;
      const double busbw =
          1e-9 * static_cast<double>(shape.bytes) / ours * (size > 1 ? 2.0 * (size - 1) / size : 1);
      std::printf("%-22s %10.1f %10.1f %9.1f%% %9.1f %10.1f %12.2f %10.1f\n", shape.name, 1e6 * raw,
                  1e6 * ours, 100 * (ours / raw - 1), busbw, 1e6 * narrow, 1e6 * own,
                  1e6 * non_blocking[s]);
      const std::string name = std::string(shape.name) + ", " + std::to_string(size) + " rank(s)";
      figures->Add(name + ": NCCL us", 1e6 * raw);
      figures->Add(name + ": tf_ddl us", 1e6 * ours);
      figures->Add(name + ": as bf16 us", 1e6 * narrow);
      figures->Add(name + ": non-blocking launches us", 1e6 * non_blocking[s]);
      if (shape.bytes == 25 << 20) {
        figures->Target(name + ": overhead over NCCL", 100 * (ours / raw - 1), "%", 3, true);
        figures->Target(name + ": own host time a bucket", 1e6 * own, "us", 10, true);
      }
    }
  });
}

void MeasureOverlap(const Settings& settings, int size, Figures* figures) {
  const int64_t bytes = settings.small ? 64 << 10 : 25 << 20;
  const int rounds = settings.small ? 10 : 20000;
  RunRanks(settings, size, true, [&](Rank& rank) {
    std::unique_ptr<Kernels> kernels;
    Require(Kernels::Load(rank.device, ShippedKernels(), &kernels), "kernels");
    const int64_t values = settings.small ? 1024 : 1 << 20;
    const Memory work(rank.cuda(), values * 4), in(rank.cuda(), bytes), out(rank.cuda(), bytes);
    work.pointer();
    CuEvent from = nullptr, to = nullptr;
    Require(rank.cuda().event_create(&from, 0), "cuEventCreate");
    Require(rank.cuda().event_create(&to, 0), "cuEventCreate");
    const std::vector<TensorSegment> segments = Segments({"", bytes, 1}, in, out);
    // Milliseconds of the compute kernel; reductions during at least all of it.
    int reduced = 0;
    const auto compute = [&](bool reducing) {
      rank.barrier->Wait();
      Pending pending;
      if (reducing) Ours(rank, segments, WireFormat::kAsIs, &pending);
      Require(rank.cuda().event_record(from, rank.stream), "cuEventRecord");
      Require(kernels->Busy(work.pointer(), values, rounds, settings.small ? 4 : 1024, rank.stream),
              "busy");
      Require(rank.cuda().event_record(to, rank.stream), "cuEventRecord");
      if (reducing && rank.size == 1) {
        while (rank.cuda().event_query(to) == kCudaErrorNotReady) {
          Ours(rank, segments, WireFormat::kAsIs, &pending);
          ++reduced;
          pending.Wait();
        }
      } else if (reducing) {
        for (int i = 0; i < 20; ++i) {  // the same number on all ranks
          Ours(rank, segments, WireFormat::kAsIs, &pending);
          ++reduced;
        }
      }
      pending.Wait();
      rank.Synchronize();
      float milliseconds = 0;
      Require(rank.cuda().event_elapsed_time(&milliseconds, from, to), "cuEventElapsedTime");
      return static_cast<double>(milliseconds);
    };
    compute(false);
    double alone = 1e9, together = 1e9;
    for (int i = 0; i < 5; ++i) {
      alone = std::min(alone, compute(false));
      together = std::min(together, compute(true));
    }
    rank.cuda().event_destroy(from);
    rank.cuda().event_destroy(to);
    if (rank.rank != 0) return;
    std::printf(
        "\noverlap with %d rank(s): a compute kernel takes %.3f ms alone, %.3f ms while buckets of "
        "%.1f MB are reduced (%d in 5 runs)\n",
        size, alone, together, 1e-6 * static_cast<double>(bytes), reduced);
    const std::string name =
        "compute speed kept while reducing, " + std::to_string(size) + " rank(s)";
    figures->Target(name, 100 * alone / together, "%", 95, false);
  });
}

}  // namespace tf_ddl::gpu
