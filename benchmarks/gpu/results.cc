// Results of every dtype, plan and form, compared with sums made on the host.
#include <atomic>
#include <cstdio>

#include "base/number.h"
#include "parts.h"

namespace tf_ddl::gpu {
namespace {

// Small integers: their sums are exact in every dtype, on up to 8 ranks.
double Value(int rank, size_t tensor, int64_t i) {
  return static_cast<double>((rank * 3 + static_cast<int64_t>(tensor) + i) % 8) - 3;
}

struct Case {
  DType dtype = DType::kFloat32;
  ReduceOp op = ReduceOp::kSum;
  WireFormat wire = WireFormat::kAsIs;
  DevicePlan plan;
  std::vector<int64_t> counts;
  bool in_place = false;

  std::string Name() const {
    return std::string(NameOf(dtype)) + " " + NameOf(op) +
           (wire == WireFormat::kAsIs       ? ""
            : wire == WireFormat::kBFloat16 ? " as bf16"
                                            : " as fp16") +
           ", " + ToString(plan) + ", " + std::to_string(counts.size()) + " tensors of " +
           std::to_string(counts[0]) + "..., " + (in_place ? "in place" : "out of place");
  }
};

std::vector<Case> Cases(const Settings& settings, int size) {
  std::vector<DevicePlan> plans = {{}};
  if (size > 1) {
    plans.push_back({{size}, 0});
    plans.push_back({{size}, 64 << 10});
  }
  if (size > 2 && size % 2 == 0) plans.push_back({{2, size / 2}, 256 << 10});
  std::vector<std::vector<int64_t>> buckets = {
      {1}, {1000003}, {5, 1000, 33}, std::vector<int64_t>(300, 77)};
  if (settings.small) buckets = {{1}, {3001}, {5, 1000, 33}, std::vector<int64_t>(200, 7)};
  std::vector<Case> cases;
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16,
                            DType::kInt32, DType::kInt64}) {
    for (const WireFormat wire : {WireFormat::kAsIs, WireFormat::kBFloat16, WireFormat::kFloat16}) {
      if (wire != WireFormat::kAsIs && dtype != DType::kFloat32) continue;
      for (const DevicePlan& plan : plans) {
        for (const auto& counts : buckets) {
          for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMean}) {
            // Means of other sizes are rounded, each library in its own way.
            if (op == ReduceOp::kMean && (size & (size - 1)) != 0) continue;
            cases.push_back({dtype, op, wire, plan, counts, cases.size() % 2 == 0});
          }
        }
      }
    }
  }
  return cases;
}

// "" or what is wrong.
std::string Run(const Rank& rank, const Case& c) {
  const size_t bytes = SizeOf(c.dtype);
  std::vector<std::unique_ptr<Memory>> in, out;
  auto collective = std::make_unique<DeviceCollective>();
  for (size_t t = 0; t < c.counts.size(); ++t) {
    std::vector<char> host(c.counts[t] * bytes);
    for (int64_t i = 0; i < c.counts[t]; ++i) {
      StoreNumber(c.dtype, Value(rank.rank, t, i), host.data() + i * bytes);
    }
    in.push_back(std::make_unique<Memory>(rank.cuda(), host.size()));
    in.back()->Write(host);
    out.push_back(std::make_unique<Memory>(rank.cuda(), host.size()));
    collective->segments.push_back(
        {in[t]->get(), c.in_place ? in[t]->get() : out[t]->get(), c.counts[t]});
  }
  collective->dtype = c.dtype;
  collective->op = c.op;
  collective->wire = c.wire;
  collective->plan = c.plan;
  collective->name = c.Name();
  Pending pending;
  collective->done = pending.Add();
  rank.communicator->Start(std::move(collective));
  pending.Wait();
  for (size_t t = 0; t < c.counts.size(); ++t) {
    const std::vector<char> got = c.in_place ? in[t]->Read() : out[t]->Read();
    for (int64_t i = 0; i < c.counts[t]; ++i) {
      double expected = 0;
      for (int r = 0; r < rank.size; ++r) expected += Value(r, t, i);
      if (c.op == ReduceOp::kMean) expected /= rank.size;
      if (c.dtype == DType::kInt32 || c.dtype == DType::kInt64) {
        expected = static_cast<double>(static_cast<int64_t>(expected));
      }
      const double value = LoadNumber(c.dtype, got.data() + i * bytes);
      if (value != expected) {
        return "tensor " + std::to_string(t) + ", element " + std::to_string(i) + " is " +
               std::to_string(value) + " instead of " + std::to_string(expected);
      }
    }
  }
  return "";
}

}  // namespace

int CheckResults(const Settings& settings, int size) {
  std::atomic<int> wrong{0}, right{0};
  for (const bool blocking : {true, false}) {
    RunRanks(settings, size, blocking, [&](Rank& rank) {
      for (const Case& c : Cases(settings, size)) {
        const std::string what = Run(rank, c);
        if (what.empty()) {
          ++right;
        } else {
          ++wrong;
          std::printf("WRONG on rank %d of %d: %s: %s\n", rank.rank, size, c.Name().c_str(),
                      what.c_str());
        }
        rank.barrier->Wait();  // nobody frees memory that others still read
      }
    });
  }
  std::printf("results with %d rank(s): %d right, %d wrong\n", size, right.load(), wrong.load());
  return wrong;
}

}  // namespace tf_ddl::gpu
