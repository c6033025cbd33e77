// Symbolic values of elements, and ranges of elements that hold them; for plan/check.cc.
#ifndef TF_DDL_PLAN_SYMBOLS_H_
#define TF_DDL_PLAN_SYMBOLS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "plan/ranges.h"

namespace tf_ddl {

// A value is an expression of inputs; equal numbers are equal expressions, a+b being b+a.
using Symbol = int;
constexpr Symbol kNothing = 0;  // memory that nobody has written

class Symbols {
 public:
  explicit Symbols(int size);

  static Symbol Input(int rank) { return 1 + rank; }
  // Errors name the rank whose input would be counted twice, or what else is wrong.
  Status Add(Symbol a, Symbol b, Symbol* sum);
  Status AddInOrder(const std::vector<Symbol>& values, Symbol* sum);
  Status Scale(Symbol value, Symbol* scaled);

  bool Complete(Symbol value) const { return nodes_[value].inputs == size_; }
  bool Scaled(Symbol value) const { return nodes_[value].scaled; }
  // "the sum over ranks 0-3,6, divided".
  std::string Describe(Symbol value) const;

 private:
  struct Node {
    std::vector<uint64_t> ranks;  // bits
    int inputs = 0;
    bool scaled = false;
  };
  Status Join(Symbol a, Symbol b, Node* joined) const;

  const int size_;
  std::vector<Node> nodes_;
  std::map<std::pair<Symbol, Symbol>, Symbol> sums_;
  std::map<std::vector<Symbol>, Symbol> ordered_sums_;
  std::map<Symbol, Symbol> scaled_;
};

// What each element of a buffer holds.
class SymbolicMemory {
 public:
  SymbolicMemory() { starts_[0] = kNothing; }

  // The symbol at `at`; `*until` is lowered to where another one may begin.
  Symbol At(int64_t at, int64_t* until) const;
  void Assign(const Range& range, Symbol value);
  std::vector<std::pair<Range, Symbol>> Read(const Range& range) const;

 private:
  std::map<int64_t, Symbol> starts_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_SYMBOLS_H_
