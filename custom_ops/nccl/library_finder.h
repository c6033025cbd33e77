// Opens a library from a list of candidates and looks its symbols up.
#ifndef TF_DDL_NCCL_LIBRARY_FINDER_H_
#define TF_DDL_NCCL_LIBRARY_FINDER_H_

#include <string>
#include <vector>

namespace tf_ddl {

struct WantedSymbol {
  const char* name;
  const char* since;  // the library's first version that has it
  void** address;     // where to store it
};

// What is known of one library, found or not.
struct FoundLibrary {
  struct Failure {
    std::string path, error;
  };
  std::string path;     // of the file that was loaded; "" if none
  std::string version;  // "" if unknown
  std::string why;      // "" if it can be used
  std::vector<WantedSymbol> missing;
  std::vector<Failure> tried;  // in vain, before `path`

  bool usable() const { return why.empty(); }
};

// Takes the first of `candidates` that can be loaded at all, then looks up `symbols`. `what`: for
// messages. What was loaded stays loaded.
FoundLibrary OpenLibrary(const std::string& what, const std::vector<std::string>& candidates,
                         const std::vector<WantedSymbol>& symbols);

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_LIBRARY_FINDER_H_
