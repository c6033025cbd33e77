// The program of the C++ tests: runs all of them, or with one argument those of one source file
// (cc_tests base_wire_test). That is how ctest calls it: each file in a process of its own.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace tf_ddl {
namespace {

// The tests of `name`.cc, as GoogleTest's filter.
std::string TestsOf(const std::string& name) {
  const std::string end = "/" + name + ".cc";
  std::string filter;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const testing::TestSuite& suite = *all.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t) {
      const testing::TestInfo& test = *suite.GetTestInfo(t);
      const std::string file = std::string("/") + test.file();
      if (file.size() < end.size() || file.substr(file.size() - end.size()) != end) continue;
      filter += std::string(suite.name()) + "." + test.name() + ":";
    }
  }
  return filter;
}

}  // namespace
}  // namespace tf_ddl

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1) {
    const std::string filter = tf_ddl::TestsOf(argv[1]);
    if (filter.empty()) {
      std::fprintf(stderr, "there are no tests in %s.cc\n", argv[1]);
      return 2;
    }
    testing::GTEST_FLAG(filter) = filter;
  }
  return RUN_ALL_TESTS();
}
