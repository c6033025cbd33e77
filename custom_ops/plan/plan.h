// A Plan says what one rank does in a collective: data that can be executed, printed and checked,
// made by pure functions of (rank, size, count). Element ranges refer to the bucket's elements.
//
// Lanes are independent of each other and may run at the same time (the chunks of a large bucket;
// the colours of a multi-ring). The rounds of a lane run one after the other; the steps of a round
// run at the same time, except that receives into the same elements are applied in listed order,
// so that sums come out equal on every rank and from run to run. Local steps of a round run before
// its messages are posted.
//
// Messages are matched by lane and round: a send and its receive stand in the same lane and round
// of the two ranks' plans, and in one round at most one message goes from one rank to another.
#ifndef TF_DDL_PLAN_PLAN_H_
#define TF_DDL_PLAN_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tf_ddl {

enum class StepKind : int {
  kSend,         // send elements of `buffer` to `peer`
  kRecv,         // receive elements from `peer` into `buffer` (kOutput or kScratch)
  kRecvReduce,   // output = (`buffer`: kInput or kOutput) + elements from `peer`
  kReduceSlots,  // output = sum over all ranks, in rank order, of scratch slots and own input
  kScale,        // output /= size, if the collective is a mean
  kCopy,         // output = input (nothing, when in place)
};

enum class Buffer : int {
  kInput,
  kOutput,
  kScratch,  // slot `peer` of the plan's scratch: `count` elements per rank
};

struct Step {
  StepKind kind;
  int peer = -1;
  int64_t begin = 0;
  int64_t end = 0;
  Buffer buffer = Buffer::kOutput;
};

struct Round {
  std::vector<Step> steps;
};

struct Lane {
  std::vector<Round> rounds;
  int colour = 0;  // lanes of one colour take turns; colours use different links at the same time
  int rail = 0;    // the network that its messages between hosts travel on
};

struct Plan {
  std::string name;  // "direct", "pairwise", "ring", "broadcast", "all-gather"
  int rank = 0;
  int size = 1;
  int64_t count = 0;
  bool needs_scratch = false;
  std::vector<Lane> lanes;
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_PLAN_H_
