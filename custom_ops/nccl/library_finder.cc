#include "nccl/library_finder.h"

#include <dlfcn.h>

namespace tf_ddl {

FoundLibrary OpenLibrary(const std::string& what, const std::vector<std::string>& candidates,
                         const std::vector<WantedSymbol>& symbols) {
  FoundLibrary found;
  void* handle = nullptr;
  for (const std::string& path : candidates) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) {
      found.path = path;
      break;
    }
    const char* error = dlerror();
    found.tried.push_back({path, error == nullptr ? "cannot be opened" : error});
  }
  if (handle == nullptr) {
    found.why = what + " was not found:";
    if (found.tried.empty()) found.why += " no path was given";
    for (size_t i = 0; i < found.tried.size(); ++i) {
      found.why += (i > 0 ? "; " : " ") + found.tried[i].error;
    }
    return found;
  }
  std::string names;
  for (const WantedSymbol& symbol : symbols) {
    *symbol.address = dlsym(handle, symbol.name);
    if (*symbol.address == nullptr) {
      names += (found.missing.empty() ? "" : ", ") + std::string(symbol.name) + " (since " +
               symbol.since + ")";
      found.missing.push_back(symbol);
      continue;
    }
    // A name that the linker looked up says little: tell which file it found.
    Dl_info info;
    if (dladdr(*symbol.address, &info) != 0 && info.dli_fname != nullptr) {
      found.path = info.dli_fname;
    }
  }
  if (!found.missing.empty()) {
    found.why = what + " (" + found.path + ") is too old: it lacks " + names;
  }
  return found;
}

}  // namespace tf_ddl
