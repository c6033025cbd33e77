#include "plan/symbols.h"

#include <algorithm>

#include "plan/words.h"

namespace tf_ddl {
namespace {

std::vector<int> Ranks(const std::vector<uint64_t>& bits) {
  std::vector<int> ranks;
  for (size_t i = 0; i < bits.size() * 64; ++i) {
    if (bits[i / 64] >> (i % 64) & 1) ranks.push_back(static_cast<int>(i));
  }
  return ranks;
}

}  // namespace

Symbols::Symbols(int size) : size_(size), nodes_(1 + size) {
  for (Node& node : nodes_) node.ranks.assign((size + 63) / 64, 0);
  for (int rank = 0; rank < size; ++rank) {
    nodes_[Input(rank)].ranks[rank / 64] |= uint64_t{1} << (rank % 64);
    nodes_[Input(rank)].inputs = 1;
  }
}

Status Symbols::Join(Symbol a, Symbol b, Node* joined) const {
  const Node& left = nodes_[a];
  const Node& right = nodes_[b];
  if (a == kNothing || b == kNothing) return Internal("adds memory that holds nothing");
  if (left.scaled || right.scaled) {
    return Internal("adds " + Describe(a) + " and " + Describe(b));
  }
  *joined = left;
  std::vector<uint64_t> twice = left.ranks;
  for (size_t i = 0; i < twice.size(); ++i) {
    twice[i] &= right.ranks[i];
    joined->ranks[i] |= right.ranks[i];
  }
  joined->inputs += right.inputs;
  const std::vector<int> ranks = Ranks(twice);
  if (ranks.empty()) return OkStatus();
  return Internal("adds the input of rank(s) " + ListText(ranks) + " for the second time");
}

Status Symbols::Add(Symbol a, Symbol b, Symbol* sum) {
  const auto [known, fresh] = sums_.try_emplace(std::minmax({a, b}), kNothing);
  if (fresh) {
    Node node;
    const Status status = Join(a, b, &node);
    if (!status.ok()) {
      sums_.erase(known);
      return status;
    }
    nodes_.push_back(std::move(node));
    known->second = static_cast<Symbol>(nodes_.size() - 1);
  }
  *sum = known->second;
  return OkStatus();
}

Status Symbols::AddInOrder(const std::vector<Symbol>& values, Symbol* sum) {
  const auto known = ordered_sums_.find(values);
  if (known != ordered_sums_.end()) {
    *sum = known->second;
    return OkStatus();
  }
  Symbol total = values[0];
  for (size_t i = 1; i < values.size(); ++i) DDL_RETURN_IF_ERROR(Add(total, values[i], &total));
  // Its own symbol: several values at once may be added up in another way than two and two.
  nodes_.push_back(Node(nodes_[total]));
  *sum = ordered_sums_[values] = static_cast<Symbol>(nodes_.size() - 1);
  return OkStatus();
}

Status Symbols::Scale(Symbol value, Symbol* scaled) {
  if (!Complete(value) || Scaled(value)) return Internal("divides " + Describe(value));
  const auto known = scaled_.find(value);
  if (known == scaled_.end()) {
    nodes_.push_back(Node(nodes_[value]));
    nodes_.back().scaled = true;
    scaled_[value] = static_cast<Symbol>(nodes_.size() - 1);
  }
  *scaled = scaled_[value];
  return OkStatus();
}

std::string Symbols::Describe(Symbol value) const {
  if (value == kNothing) return "nothing";
  const Node& node = nodes_[value];
  return "the sum over rank(s) " + ListText(Ranks(node.ranks)) + (node.scaled ? ", divided" : "");
}

Symbol SymbolicMemory::At(int64_t at, int64_t* until) const {
  const auto next = starts_.upper_bound(at);
  if (next != starts_.end()) *until = std::min(*until, next->first);
  return std::prev(next)->second;
}

void SymbolicMemory::Assign(const Range& range, Symbol value) {
  if (range.empty()) return;
  auto end = starts_.upper_bound(range.end);
  const Symbol behind = std::prev(end)->second;
  end = starts_.insert_or_assign(range.end, behind).first;
  starts_.erase(starts_.lower_bound(range.begin), end);
  starts_[range.begin] = value;
}

std::vector<std::pair<Range, Symbol>> SymbolicMemory::Read(const Range& range) const {
  std::vector<std::pair<Range, Symbol>> pieces;
  for (int64_t at = range.begin; at < range.end;) {
    int64_t until = range.end;
    const Symbol value = At(at, &until);
    pieces.push_back({{at, until}, value});
    at = until;
  }
  return pieces;
}

}  // namespace tf_ddl
