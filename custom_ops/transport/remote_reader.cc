#include "transport/remote_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transport/pieces.h"

namespace tf_ddl {
namespace {

class CmaReader : public RemoteReader {
 public:
  CmaReader(int pid, std::shared_ptr<Segment> segment, int side)
      : pid_(pid), segment_(std::move(segment)), side_(side) {}

  const char* name() const override { return "cma"; }

  int Read(const std::vector<iovec>& local, const std::vector<iovec>& remote) override {
    size_t left = TotalBytes(local);
    ssize_t n = process_vm_readv(pid_, local.data(), local.size(), remote.data(), remote.size(), 0);
    if (n < 0) return errno;
    left -= static_cast<size_t>(n);
    if (left > 0) {  // the kernel stopped half-way: go on from there, or learn why
      std::vector<iovec> to = local;
      std::vector<iovec> from = remote;
      while (left > 0) {
        if (n == 0) return EFAULT;
        DropFront(&to, static_cast<size_t>(n));
        DropFront(&from, static_cast<size_t>(n));
        n = process_vm_readv(pid_, to.data(), to.size(), from.data(), from.size(), 0);
        if (n < 0) return errno;
        left -= static_cast<size_t>(n);
      }
    }
    // What was read counts only if the peer still kept it unchanged afterwards.
    return segment_->State(1 - side_).closed.load() != 0 ? ESHUTDOWN : 0;
  }

  void Withdraw() override { segment_->State(side_).closed.store(1); }

 private:
  const int pid_;
  const std::shared_ptr<Segment> segment_;
  const int side_;
};

// Memory of another thread may be unmapped after it has closed, so reading excludes closing.
struct Gates {
  struct Gate {
    std::mutex mutex;
    bool closed = false;
  };
  std::array<Gate, 2> of_side;
};

class MemoryReader : public RemoteReader {
 public:
  MemoryReader(std::shared_ptr<Gates> gates, int side) : gates_(std::move(gates)), side_(side) {}

  const char* name() const override { return "memory"; }

  int Read(const std::vector<iovec>& local, const std::vector<iovec>& remote) override {
    Gates::Gate& gate = gates_->of_side[1 - side_];
    std::lock_guard<std::mutex> lock(gate.mutex);
    if (gate.closed) return ESHUTDOWN;
    size_t from = 0;
    size_t from_offset = 0;
    for (const iovec& to : local) {
      size_t done = 0;
      while (done < to.iov_len) {
        const iovec& piece = remote[from];
        const size_t n = std::min(to.iov_len - done, piece.iov_len - from_offset);
        std::memcpy(static_cast<uint8_t*>(to.iov_base) + done,
                    static_cast<const uint8_t*>(piece.iov_base) + from_offset, n);
        done += n;
        from_offset += n;
        if (from_offset == piece.iov_len) {
          ++from;
          from_offset = 0;
        }
      }
    }
    return 0;
  }

  void Withdraw() override {
    Gates::Gate& gate = gates_->of_side[side_];
    std::lock_guard<std::mutex> lock(gate.mutex);
    gate.closed = true;
  }

 private:
  const std::shared_ptr<Gates> gates_;
  const int side_;
};

}  // namespace

std::unique_ptr<RemoteReader> NewCmaReader(int pid, std::shared_ptr<Segment> segment, int side) {
  return std::make_unique<CmaReader>(pid, std::move(segment), side);
}

void NewMemoryReaders(std::unique_ptr<RemoteReader> readers[2]) {
  auto gates = std::make_shared<Gates>();
  for (int side = 0; side < 2; ++side) {
    readers[side] = std::make_unique<MemoryReader>(gates, side);
  }
}

int ProbeCma(int pid, uint64_t address, uint64_t* word) {
  const iovec local = {word, sizeof *word};
  const iovec remote = {reinterpret_cast<void*>(address), sizeof *word};
  const ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
  if (n < 0) return errno;
  return n == static_cast<ssize_t>(sizeof *word) ? 0 : EFAULT;
}

}  // namespace tf_ddl
