// TEST CODE: see fake_control.h. The ranks of a communicator, and how a collective's data moves.
#ifndef TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_CLIQUE_H_
#define TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_CLIQUE_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "nccl/nccl_abi.h"

struct FakeCall {
  enum Kind { kAllReduce, kReduceScatter, kAllGather } kind;
  const void* in;
  void* out;
  size_t count;  // as the caller gave it
  tf_ddl::NcclDataType type;
  tf_ddl::NcclRedOp op;
};

// A group's calls of every rank on one communicator, met under one number.
struct FakeMeeting {
  std::vector<std::vector<FakeCall>> calls;  // by rank
  int arrived = 0;
  bool done = false;
};

class FakeProcesses;

struct FakeClique {
  explicit FakeClique(int n) : size(n), world(n, -1), joined(n, false) {}

  const int size;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> world;    // by rank: its rank in the communicator that all others come from
  std::vector<bool> joined;  // by rank
  int num_joined = 0;
  std::map<int64_t, FakeMeeting> meetings;
  // Splits by number: what each rank wished.
  struct Wish {
    int color, key;
  };
  struct Split {
    std::vector<std::unique_ptr<Wish>> wishes;  // by rank
    int arrived = 0;
    std::map<int, std::shared_ptr<FakeClique>> cliques;  // by color, once all are there
    std::vector<int> rank_in;                            // by rank: its rank in its new clique
  };
  std::map<int, Split> splits;
  std::shared_ptr<FakeProcesses> processes;  // where ranks of other processes may come
};

// Makes the new cliques; all wishes are there.
void FakeSplit(FakeClique* clique, FakeClique::Split* split);

size_t FakeBytes(tf_ddl::NcclDataType type);
// Runs a complete meeting; what does not match between ranks is misuse, and moves nothing.
void FakeReduce(const FakeClique& clique, FakeMeeting* meeting);

#endif  // TF_DDL_TESTS_CC_FAKE_NCCL_FAKE_CLIQUE_H_
