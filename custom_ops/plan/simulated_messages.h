// Messages of a simulation from when their sender or their receiver names them until they have
// arrived.
#ifndef TF_DDL_PLAN_SIMULATED_MESSAGES_H_
#define TF_DDL_PLAN_SIMULATED_MESSAGES_H_

#include <cstdint>
#include <map>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "plan/topology.h"

namespace tf_ddl {

// A message's name. Ranks are simulated ones. Where a host stands for all others, two ranks have
// messages within it and between hosts: `remote` tells them apart.
struct MessageKey {
  int collective = 0;
  int lane = 0;
  int round = 0;
  int from = 0;
  int to = 0;
  bool remote = false;

  bool operator==(const MessageKey& other) const;
};

struct SimulatedMessage {
  MessageKey key;
  int64_t bytes = -1;
  LinkCost cost;
  int out = -1;       // server of the sender, for messages between hosts
  int in = -1;        // server of the receiver
  int sender = -1;    // lane, once it has sent
  int target = -1;    // the receiver's number in the topology, once it has been sent
  int receiver = -1;  // lane, once it waits for it
  bool latency_over = false;
  bool reduce = false;
};

class SimulatedMessages {
 public:
  // The number of the message of that name; `*added` if there was none.
  int FindOrAdd(const MessageKey& key, bool* added);
  void Remove(int number);

  // The queue of a message between hosts that has been sent: those from one rank to another on one
  // rail have one in common. From 0 on.
  int Connection(int number);

  SimulatedMessage& at(int number) { return messages_[number]; }
  const SimulatedMessage& at(int number) const { return messages_[number]; }
  std::vector<int> All() const;  // numbers, by name

 private:
  struct Hash {
    size_t operator()(const MessageKey& key) const;
  };

  std::vector<SimulatedMessage> messages_;
  std::vector<int> unused_;
  std::unordered_map<MessageKey, int, Hash> by_key_;
  std::map<std::tuple<int, int, int>, int> connections_;  // by sender, target, interface
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_SIMULATED_MESSAGES_H_
