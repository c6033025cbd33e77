// Large pages under memory: what is in it stays, it is large afterwards where the kernel can, and
// odd addresses do no harm.
#include "base/huge_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

namespace tf_ddl {
namespace {

constexpr size_t kPage = HugePages::kPageBytes;

// A private mapping of `pages` large pages, aligned to them, of small pages that are in use.
class Mapping {
 public:
  explicit Mapping(size_t pages) : bytes_((pages + 1) * kPage) {
    base_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(base_, MAP_FAILED);
    EXPECT_EQ(madvise(base_, bytes_, MADV_NOHUGEPAGE), 0);
    const auto address = reinterpret_cast<uintptr_t>(base_);
    data_ = reinterpret_cast<uint8_t*>((address + kPage - 1) / kPage * kPage);
    for (size_t i = 0; i < pages * kPage; i += 64) data_[i] = static_cast<uint8_t>(i / 64 % 251);
    EXPECT_EQ(madvise(base_, bytes_, MADV_HUGEPAGE), 0);
  }
  ~Mapping() { munmap(base_, bytes_); }

  uint8_t* data() const { return data_; }

  // Bytes in large pages of the kernel's mappings that overlap this one.
  int64_t LargeBytes() const {
    std::ifstream maps("/proc/self/smaps");
    std::string line;
    bool inside = false;
    int64_t kib = 0;
    while (std::getline(maps, line)) {
      uintptr_t begin = 0;
      uintptr_t end = 0;
      char dash = 0;
      std::istringstream words(line);
      if (words >> std::hex >> begin >> dash >> end && dash == '-') {
        const auto mine = reinterpret_cast<uintptr_t>(base_);
        inside = begin < mine + bytes_ && end > mine;
      } else if (inside && line.rfind("AnonHugePages:", 0) == 0) {
        kib += std::stoll(line.substr(14));
      }
    }
    return kib << 10;
  }

 private:
  const size_t bytes_;
  void* base_ = nullptr;
  uint8_t* data_ = nullptr;
};

TEST(HugePagesTest, ValuesStayAndPagesAreLargeWhereTheKernelCan) {
  const Mapping memory(3);
  HugePages pages;
  pages.Cover(memory.data() + 100, 2 * kPage);  // touches three
  EXPECT_EQ(pages.asked(), 3u);
  for (size_t i = 0; i < 3 * kPage; i += 64) {
    ASSERT_EQ(memory.data()[i], static_cast<uint8_t>(i / 64 % 251)) << i;
  }
  const auto made = static_cast<int64_t>(pages.made() * kPage);
  if (pages.made() == 0) GTEST_SKIP() << "this kernel has no MADV_COLLAPSE";
  EXPECT_GE(memory.LargeBytes(), made);
}

TEST(HugePagesTest, AsksSeldomAgain) {
  const Mapping memory(1);
  HugePages pages;
  for (int use = 1; use <= 100; ++use) pages.Cover(memory.data(), kPage);
  EXPECT_EQ(pages.asked(), 4u);  // uses 1, 4, 16 and 64
}

TEST(HugePagesTest, SmallPiecesAreLeftAlone) {
  const Mapping memory(1);
  HugePages pages;
  pages.Cover(memory.data(), HugePages::kLeastBytes - 1);
  EXPECT_EQ(pages.asked(), 0u);
}

TEST(HugePagesTest, MemoryThatIsNotMappedWholeDoesNoHarm) {
  std::vector<uint8_t> small(HugePages::kLeastBytes);
  std::iota(small.begin(), small.end(), uint8_t{0});
  HugePages pages;
  pages.Cover(small.data(), small.size());
  pages.Cover(reinterpret_cast<void*>(kPage), 4 * kPage);  // nothing is there
  EXPECT_GE(pages.asked(), 5u);
  for (size_t i = 0; i < small.size(); ++i) ASSERT_EQ(small[i], static_cast<uint8_t>(i));
}

}  // namespace
}  // namespace tf_ddl
