#include "plan/simulated_messages.h"

#include <algorithm>

namespace tf_ddl {
namespace {

auto Fields(const MessageKey& k) {
  return std::make_tuple(k.collective, k.lane, k.round, k.from, k.to, k.remote);
}

}  // namespace

bool MessageKey::operator==(const MessageKey& other) const {
  return Fields(*this) == Fields(other);
}

size_t SimulatedMessages::Hash::operator()(const MessageKey& key) const {
  uint64_t hash = key.remote ? 1 : 0;
  for (int part : {key.collective, key.lane, key.round, key.from, key.to}) {
    hash = (hash ^ static_cast<uint32_t>(part)) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return static_cast<size_t>(hash);
}

int SimulatedMessages::FindOrAdd(const MessageKey& key, bool* added) {
  auto found = by_key_.find(key);
  *added = found == by_key_.end();
  if (!*added) return found->second;
  int number;
  if (unused_.empty()) {
    number = static_cast<int>(messages_.size());
    messages_.emplace_back();
  } else {
    number = unused_.back();
    unused_.pop_back();
  }
  messages_[number] = SimulatedMessage();
  messages_[number].key = key;
  by_key_.emplace(key, number);
  return number;
}

void SimulatedMessages::Remove(int number) {
  by_key_.erase(messages_[number].key);
  unused_.push_back(number);
}

int SimulatedMessages::Connection(int number) {
  const SimulatedMessage& message = messages_[number];
  const auto key = std::make_tuple(message.key.from, message.target, message.out);
  return connections_.emplace(key, static_cast<int>(connections_.size())).first->second;
}

std::vector<int> SimulatedMessages::All() const {
  std::vector<int> numbers;
  for (const auto& entry : by_key_) numbers.push_back(entry.second);
  std::sort(numbers.begin(), numbers.end(),
            [this](int a, int b) { return Fields(messages_[a].key) < Fields(messages_[b].key); });
  return numbers;
}

}  // namespace tf_ddl
