#include "plan/words.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tf_ddl {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";
constexpr size_t kLongestList = 1 << 20;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::vector<std::string> Split(const std::string& text, char separator, bool keep_empty) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    if (keep_empty || end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

template <typename T>
bool Convert(const std::string& word, T* value) {
  const char* end = word.data() + word.size();
  const auto result = std::from_chars(word.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

std::string EscapeWord(const std::string& text) {
  if (text.empty()) return "%";
  std::string escaped;
  for (char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || c == '%' || byte == 0x7f) {
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string BytesText(int64_t bytes) {
  if (bytes >= 1 << 20 && bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  if (bytes >= 1 << 10 && bytes % (1 << 10) == 0) return std::to_string(bytes >> 10) + " KiB";
  return std::to_string(bytes) + " bytes";
}

std::string NumberText(double value) {
  char digits[64];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  return std::string(digits, result.ptr);
}

std::string ListText(const std::vector<int>& numbers) {
  if (numbers.empty()) return "-";
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(numbers[i]);
    if (last > i) text += '-' + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

WordReader::WordReader(std::string what, const std::string& text)
    : what_(std::move(what)), lines_(Split(text, '\n', true)) {}

bool WordReader::NextLine() {
  if (line_ > 0 && !AtLineEnd()) Fail("\"" + words_[word_] + "\" is not expected");
  do {
    if (!status_.ok() || line_ == lines_.size()) return false;
    words_ = Split(lines_[line_++], ' ', false);
    word_ = 0;
  } while (words_.empty());
  return true;
}

std::string WordReader::Word() {
  if (!status_.ok()) return "";
  if (AtLineEnd()) {
    Fail("the line is too short");
    return "";
  }
  return words_[word_++];
}

std::string WordReader::Text() {
  const std::string word = Word();
  if (word == "%") return "";
  std::string text;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '%') {
      text += word[i];
      continue;
    }
    if (i + 2 >= word.size() || HexValue(word[i + 1]) < 0 || HexValue(word[i + 2]) < 0) {
      Fail("\"" + word + "\" is not escaped as it should be");
      return "";
    }
    text += static_cast<char>(HexValue(word[i + 1]) << 4 | HexValue(word[i + 2]));
    i += 2;
  }
  return text;
}

int64_t WordReader::Integer(int64_t low, int64_t high) {
  const std::string word = Word();
  int64_t value = 0;
  if (!status_.ok()) return low;
  if (!Convert(word, &value) || value < low || value > high) {
    Fail("\"" + word + "\" should be a whole number from " + std::to_string(low) + " to " +
         std::to_string(high));
    return low;
  }
  return value;
}

double WordReader::Number() {
  const std::string word = Word();
  double value = 0;
  if (status_.ok() && (!Convert(word, &value) || !std::isfinite(value))) {
    Fail("\"" + word + "\" should be a number");
    return 0;
  }
  return value;
}

std::vector<int> WordReader::List(int limit) {
  const std::string word = Word();
  std::vector<int> numbers;
  if (!status_.ok() || word == "-") return numbers;
  for (const std::string& item : Split(word, ',', true)) {
    const size_t dash = item.find('-');
    int first = 0, last = 0;
    const bool read = dash == std::string::npos ? Convert(item, &first) && Convert(item, &last)
                                                : Convert(item.substr(0, dash), &first) &&
                                                      Convert(item.substr(dash + 1), &last);
    if (!read || first < 0 || last < first || last >= limit ||
        numbers.size() + (last - first) >= kLongestList) {
      Fail("\"" + item + "\" should be a number or a span of numbers below " +
           std::to_string(limit));
      return {};
    }
    for (int number = first; number <= last; ++number) numbers.push_back(number);
  }
  return numbers;
}

void WordReader::Fail(const std::string& why) {
  if (!status_.ok()) return;
  std::string where = what_;
  if (line_ > 0) where += ", line " + std::to_string(line_) + " (\"" + lines_[line_ - 1] + "\")";
  status_ = InvalidArgument(where + ": " + why);
}

}  // namespace tf_ddl
