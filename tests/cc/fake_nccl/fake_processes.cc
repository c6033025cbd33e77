// TEST CODE: see fake_control.h.
#include "fake_processes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "fake_control.h"

namespace {

constexpr int kRanks = 4, kComms = 4, kSplits = 4, kCalls = 64;
constexpr size_t kArea = size_t{32} << 20;  // of one rank's inputs, on one communicator

// One rank's progress on one communicator: numbers of collectives plus one.
struct Progress {
  std::atomic<int64_t> written, read;
  int64_t num_calls;
  FakeCall calls[kCalls];  // pointers are meaningless to others
};

}  // namespace

struct FakeProcesses::Shared {
  std::atomic<int> pids[kRanks];  // 0: not joined
  Progress progress[kComms + kSplits][kRanks];
  // Only what is written takes memory.
  alignas(4096) char areas[kComms][kRanks][kArea];
};

// A file without a name; the ids of this process have a stretch of it each.
void FakeProcesses::MakeId(int number, char* id) {
  static const int fd = memfd_create("fake NCCL", MFD_CLOEXEC);
  const off_t end = static_cast<off_t>(number + 1) * static_cast<off_t>(sizeof(Shared));
  const bool there = fd >= 0 && ftruncate(fd, end) == 0;
  std::snprintf(id, 127, "fake %d of %d, %d", number, getpid(), there ? fd : -1);
}

std::shared_ptr<FakeProcesses> FakeProcesses::Open(const char* id, int size) {
  int number = 0, pid = 0, fd = -1;
  if (size > kRanks || std::sscanf(id, "fake %d of %d, %d", &number, &pid, &fd) != 3 || fd < 0) {
    return nullptr;
  }
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  const int own = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (own < 0) return nullptr;
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      own, static_cast<off_t>(number) * static_cast<off_t>(sizeof(Shared)));
  close(own);
  if (memory == MAP_FAILED) return nullptr;
  return std::shared_ptr<FakeProcesses>(new FakeProcesses(static_cast<Shared*>(memory), size));
}

FakeProcesses::~FakeProcesses() { munmap(shared_, sizeof(Shared)); }

void FakeProcesses::Join(int rank) { shared_->pids[rank] = getpid(); }

bool FakeProcesses::all_joined() const {
  for (int rank = 0; rank < size_; ++rank) {
    if (shared_->pids[rank] == 0) return false;
  }
  return true;
}

bool FakeProcesses::several() const {
  for (int rank = 0; rank < size_; ++rank) {
    if (shared_->pids[rank] != shared_->pids[0]) return true;
  }
  return false;
}

namespace {

// Until every rank's `counter` has come to `number`.
bool WaitForAll(Progress* progress, int size, std::atomic<int64_t> Progress::*counter,
                int64_t number, const std::function<bool()>& aborted) {
  for (int rank = 0; rank < size;) {
    if (aborted()) return false;
    if ((progress[rank].*counter).load() >= number) {
      ++rank;
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  return true;
}

size_t BytesIn(const FakeCall& call, int size) {
  const size_t bytes = call.count * FakeBytes(call.type);
  return call.kind == FakeCall::kReduceScatter ? bytes * size : bytes;
}

size_t BytesOut(const FakeCall& call, int size) {
  const size_t bytes = call.count * FakeBytes(call.type);
  return call.kind == FakeCall::kAllGather ? bytes * size : bytes;
}

}  // namespace

bool FakeProcesses::Meet(int split, int rank, const std::function<bool()>& aborted) {
  if (split >= kSplits) {
    fake_note_misuse("more splits than the fake has room for");
    return false;
  }
  Progress* progress = shared_->progress[kComms + split];
  progress[rank].written = 1;
  return WaitForAll(progress, size_, &Progress::written, 1, aborted);
}

bool FakeProcesses::Reduce(int comm, int rank, int64_t number, const std::vector<FakeCall>& calls,
                           const std::function<bool()>& aborted) {
  Progress* progress = shared_->progress[comm];
  Progress& own = progress[rank];
  size_t used = 0;
  for (const FakeCall& call : calls) used += (BytesIn(call, size_) + 15) / 16 * 16;
  if (comm >= kComms || calls.size() > kCalls || used > kArea) {
    fake_note_misuse("more calls or bytes than the fake has room for");
    return false;
  }
  own.num_calls = static_cast<int64_t>(calls.size());
  used = 0;
  for (size_t c = 0; c < calls.size(); ++c) {
    own.calls[c] = calls[c];
    std::memcpy(shared_->areas[comm][rank] + used, calls[c].in, BytesIn(calls[c], size_));
    used += (BytesIn(calls[c], size_) + 15) / 16 * 16;
  }
  own.written = number + 1;
  if (!WaitForAll(progress, size_, &Progress::written, number + 1, aborted)) return false;

  FakeMeeting meeting;
  std::vector<std::vector<char>> results, others;
  for (int r = 0; r < size_; ++r) {
    const Progress& theirs = progress[r];
    std::vector<FakeCall> made(theirs.calls, theirs.calls + theirs.num_calls);
    used = 0;
    for (FakeCall& call : made) {
      call.in = shared_->areas[comm][r] + used;
      used += (BytesIn(call, size_) + 15) / 16 * 16;
      auto& out = r == rank ? results : others;
      out.emplace_back(BytesOut(call, size_));
      call.out = out.back().data();
    }
    meeting.calls.push_back(std::move(made));
  }
  FakeReduce(FakeClique(size_), &meeting);
  own.read = number + 1;
  if (!WaitForAll(progress, size_, &Progress::read, number + 1, aborted)) return false;
  for (size_t c = 0; c < calls.size(); ++c) {
    std::memcpy(calls[c].out, results[c].data(), results[c].size());
  }
  return true;
}
