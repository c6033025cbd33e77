// TEST CODE: see fake_control.h. Ranks that are processes of their own: they meet in memory that
// the process which made the unique id shares, and go on without it when it dies.
//
// Every rank writes its inputs there, says so, waits until all have, computes its own results, says
// that it has read, and waits until all have before it goes on. Whoever dies is waited for until
// the communicator is aborted, as NCCL does.
#ifndef TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_PROCESSES_H_
#define TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_PROCESSES_H_

#include <functional>
#include <memory>
#include <vector>

#include "fake_clique.h"

class FakeProcesses {
 public:
  // A new id, of 128 bytes, with memory behind it.
  static void MakeId(int number, char* id);
  // Null: the memory cannot be had, or there are more ranks than it has room for.
  static std::shared_ptr<FakeProcesses> Open(const char* id, int size);
  ~FakeProcesses();

  void Join(int rank);
  bool all_joined() const;
  // Whether the ranks, all of which have joined, are several processes.
  bool several() const;

  // Meets the others. False: aborted.
  bool Meet(int split, int rank, const std::function<bool()>& aborted);
  // A group's calls on communicator `comm` (0: the first, then by split), the number'th there.
  // False: aborted; then no result was written.
  bool Reduce(int comm, int rank, int64_t number, const std::vector<FakeCall>& calls,
              const std::function<bool()>& aborted);

 private:
  struct Shared;
  FakeProcesses(Shared* shared, int size) : shared_(shared), size_(size) {}

  Shared* const shared_;
  const int size_;
};

#endif  // TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_PROCESSES_H_
