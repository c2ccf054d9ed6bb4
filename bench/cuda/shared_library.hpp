// A library that is asked for when a program runs: without it there is one measurement less, and a reason.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

namespace vernier::bench {

/// Stays loaded until the program ends.
class SharedLibrary {
 public:
  /// The first of these names or paths that can be loaded.
  explicit SharedLibrary(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (name.empty() || handle_ != nullptr) continue;
      handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
      why_not_ = handle_ == nullptr ? dlerror() : "";
    }
    if (handle_ == nullptr && why_not_.empty()) why_not_ = "no path was given";
  }

  /// Empty if it is loaded and every function that was asked for is there.
  const std::string& why_not() const { return why_not_; }

  template <class Signature>
  void find(const char* name, Signature*& function) {
    if (handle_ == nullptr) return;
    function = reinterpret_cast<Signature*>(dlsym(handle_, name));
    if (function == nullptr) why_not_ = std::string("it has no ") + name;
  }

 private:
  void* handle_ = nullptr;
  std::string why_not_;
};

}  // namespace vernier::bench
