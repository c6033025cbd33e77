// TEST CODE: see fake_control.h. One rank's communicator, and how it may be used.
#ifndef TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_COMM_H_
#define TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_COMM_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fake_clique.h"
#include "fake_control.h"
#include "fake_processes.h"

namespace fake {

using namespace tf_ddl;

struct Comm {
  std::shared_ptr<FakeClique> clique;
  std::shared_ptr<FakeProcesses> processes;  // if ranks are processes
  int place = 0;                             // this communicator's in them
  int rank = 0;
  bool blocking = true;
  std::atomic<int> state{kNcclSuccess};
  std::atomic<bool> aborted{false};
  std::atomic<bool> gone{false};  // destroyed or aborted: whoever comes now comes too late
  std::atomic<bool> finalized{false};
  std::atomic<int64_t> issued{0};
  int64_t next = 0;   // guarded by clique->mutex: the meeting whose turn it is on the streams
  int under_way = 0;  // guarded by clique->mutex: stream tasks and helper threads
  int splits = 0;
  std::mutex mutex;
  std::set<std::thread::id> threads;  // guarded by mutex: that called something but a query

  int world() const { return clique->world[rank]; }
};

inline Comm* AsComm(NcclComm comm) { return reinterpret_cast<Comm*>(comm); }

// Communicators stay: calls that come too late are to be noticed, not to crash.
inline Comm* NewComm() {
  static std::mutex mutex;
  static auto* const all = new std::vector<std::unique_ptr<Comm>>;
  std::lock_guard<std::mutex> lock(mutex);
  all->push_back(std::make_unique<Comm>());
  return all->back().get();
}

inline NcclResult Misuse(const std::string& what, NcclResult code = kNcclInvalidUsage) {
  fake_note_misuse(what.c_str());
  return code;
}

// Everything but queries and aborts: one thread, and only when the last call has ended.
inline NcclResult CheckUse(Comm* comm, const char* function) {
  if (comm == nullptr) return Misuse(std::string(function) + " without a communicator");
  if (comm->gone) return Misuse(std::string(function) + " after the communicator's end");
  {
    std::lock_guard<std::mutex> lock(comm->mutex);
    comm->threads.insert(std::this_thread::get_id());
    if (comm->threads.size() > 1) Misuse(std::string(function) + " from a second thread");
  }
  const int state = comm->state;
  if (state == kNcclInProgress) {
    return Misuse(std::string(function) + " before the last call has ended", kNcclInvalidArgument);
  }
  return static_cast<NcclResult>(state);
}

}  // namespace fake

#endif  // TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_COMM_H_
