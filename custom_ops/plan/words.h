// Texts of lines of words, for what processes hand each other: topologies, links, tables of plans.
// Independent of the locale; a reader never crashes, it ends with an error that names the line.
#ifndef TF_DDL_PLAN_WORDS_H_
#define TF_DDL_PLAN_WORDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace tf_ddl {

// Texts that speak of more ranks, or GPUs of a host, are not believed.
constexpr int kMostRanks = 1 << 20;

// Blanks, line ends and '%' as "%20"; the empty text as "%".
std::string EscapeWord(const std::string& text);

// "4 MiB", "500 bytes".
std::string BytesText(int64_t bytes);

// Enough digits that reading gives the same number.
std::string NumberText(double value);

// Reads a text line by line and each line word by word. The first error stays; what is read after
// it has no meaning.
class WordReader {
 public:
  WordReader(std::string what, const std::string& text);

  bool NextLine();  // false at the end; an error if words of the line before are left
  bool AtLineEnd() const { return word_ == words_.size(); }
  std::string Word();
  std::string Text();  // an escaped word
  int64_t Integer(int64_t low, int64_t high);
  double Number();
  // Integers in [0, limit) joined by commas, "-" for none; spans as "0-7".
  std::vector<int> List(int limit);

  void Fail(const std::string& why);
  const Status& status() const { return status_; }

 private:
  const std::string what_;
  std::vector<std::string> lines_;
  size_t line_ = 0;  // one-based: the current one
  std::vector<std::string> words_;
  size_t word_ = 0;
  Status status_;
};

std::string ListText(const std::vector<int>& numbers);

}  // namespace tf_ddl

#endif  // TF_DDL_PLAN_WORDS_H_
