// TEST CODE: see fake_control.h.
#include "fake_clique.h"

#include <cstring>

#include "base/half.h"
#include "fake_control.h"

using namespace tf_ddl;

namespace {

// Sums in rank order, integers modulo their size (what pads a buffer may be anything); an average
// multiplies every input by 1/size first, as NCCL does.
template <typename T, typename Wide, Wide (*Load)(T), T (*Store)(Wide)>
void SumAs(const std::vector<const void*>& in, void* out, size_t count, bool average) {
  T* result = static_cast<T*>(out);
  const Wide factor = average ? Wide(1) / static_cast<Wide>(in.size()) : Wide(1);
  for (size_t i = 0; i < count; ++i) {
    Wide sum = 0;
    for (const void* rank : in) {
      const Wide value = Load(static_cast<const T*>(rank)[i]);
      sum = Load(Store(sum + (average ? value * factor : value)));
    }
    result[i] = Store(sum);
  }
}

template <typename T>
T Same(T value) {
  return value;
}
float LoadHalf(uint16_t v) { return Float16::ToFloat({v}); }
uint16_t StoreHalf(float v) { return Float16::FromFloat(v).bits; }
float LoadBfloat(uint16_t v) { return BFloat16::ToFloat({v}); }
uint16_t StoreBfloat(float v) { return BFloat16::FromFloat(v).bits; }

void Sum(NcclDataType type, const std::vector<const void*>& in, void* out, size_t count,
         bool average) {
  switch (type) {
    case kNcclFloat32:
      return SumAs<float, float, Same<float>, Same<float>>(in, out, count, average);
    case kNcclFloat64:
      return SumAs<double, double, Same<double>, Same<double>>(in, out, count, average);
    case kNcclFloat16:
      return SumAs<uint16_t, float, LoadHalf, StoreHalf>(in, out, count, average);
    case kNcclBfloat16:
      return SumAs<uint16_t, float, LoadBfloat, StoreBfloat>(in, out, count, average);
    case kNcclInt32:
      return SumAs<uint32_t, uint32_t, Same<uint32_t>, Same<uint32_t>>(in, out, count, false);
    case kNcclInt64:
      return SumAs<uint64_t, uint64_t, Same<uint64_t>, Same<uint64_t>>(in, out, count, false);
    default:
      fake_note_misuse("a data type that the project does not use");
  }
}

bool Matches(const FakeMeeting& meeting) {
  const std::vector<FakeCall>& first = meeting.calls[0];
  for (const std::vector<FakeCall>& calls : meeting.calls) {
    if (calls.size() != first.size()) return false;
    for (size_t i = 0; i < calls.size(); ++i) {
      if (calls[i].kind != first[i].kind || calls[i].count != first[i].count ||
          calls[i].type != first[i].type || calls[i].op != first[i].op) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

size_t FakeBytes(NcclDataType type) {
  switch (type) {
    case kNcclInt8:
    case kNcclUint8:
      return 1;
    case kNcclFloat16:
    case kNcclBfloat16:
      return 2;
    case kNcclInt64:
    case kNcclUint64:
    case kNcclFloat64:
      return 8;
    default:
      return 4;
  }
}

void FakeReduce(const FakeClique& clique, FakeMeeting* meeting) {
  if (!Matches(*meeting)) {
    fake_note_misuse("ranks called different collectives under one number");
    return;
  }
  const size_t n = clique.size;
  for (size_t c = 0; c < meeting->calls[0].size(); ++c) {
    const FakeCall& call = meeting->calls[0][c];
    const size_t bytes = FakeBytes(call.type);
    const size_t total = call.kind == FakeCall::kReduceScatter ? call.count * n : call.count;
    if (call.kind == FakeCall::kAllGather) {
      std::vector<char> all(bytes * call.count * n);
      for (size_t r = 0; r < n; ++r) {
        std::memcpy(all.data() + r * bytes * call.count, meeting->calls[r][c].in,
                    bytes * call.count);
      }
      for (size_t r = 0; r < n; ++r) {
        std::memcpy(meeting->calls[r][c].out, all.data(), all.size());
      }
      continue;
    }
    if (call.op == kNcclAvg && (call.type == kNcclInt32 || call.type == kNcclInt64)) {
      fake_note_misuse("an average of integers");
    }
    std::vector<const void*> in;
    for (size_t r = 0; r < n; ++r) in.push_back(meeting->calls[r][c].in);
    std::vector<char> sum(bytes * total);
    Sum(call.type, in, sum.data(), total, call.op == kNcclAvg);
    for (size_t r = 0; r < n; ++r) {
      const bool part = call.kind == FakeCall::kReduceScatter;
      std::memcpy(meeting->calls[r][c].out, sum.data() + (part ? r * bytes * call.count : 0),
                  bytes * call.count);
    }
  }
}

void FakeSplit(FakeClique* clique, FakeClique::Split* split) {
  split->rank_in.resize(clique->size);
  std::map<int, std::map<int, int>> colors;  // color, key: rank
  for (int r = 0; r < clique->size; ++r) {
    colors[split->wishes[r]->color][split->wishes[r]->key] = r;
  }
  for (const auto& [each, members] : colors) {
    auto made = std::make_shared<FakeClique>(static_cast<int>(members.size()));
    int place = 0;
    for (const auto& [unused, r] : members) {
      split->rank_in[r] = place;
      made->world[place++] = clique->world[r];
    }
    split->cliques[each] = made;
  }
}
