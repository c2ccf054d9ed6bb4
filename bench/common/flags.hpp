// The command line of a microbenchmark: pairs of --flag VALUE, each with a default, and --help made from both.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vernier/core/error.hpp"
#include "vernier/cpu/features.hpp"

namespace vernier::bench {

/// Ask for each flag with read(), which leaves the variable as it is where the flag was not given; then call finish().
class Flags {
 public:
  Flags(std::string program, int argc, char** argv) : program_(std::move(program)) {
    for (int i = 1; i < argc; i += 2) {
      const std::string name = argv[i];
      help_ = help_ || name == "--help" || name == "-h";
      if (help_) return;
      expect(i + 1 < argc, program_, name, " needs a value; see --help");
      given_.push_back({name, argv[i + 1]});
    }
  }

  /// T: int, std::string, cpu::Isa, or a std::vector of the first two, separated by commas.
  template <class T>
  void read(const char* name, T& value) {
    usage_ += concat("  ", name, " ", write(value), "\n");
    for (Given& given : given_)
      if (given.name == name) {
        value = parse(given, T{});
        given.known = true;
      }
  }

  /// Prints --help and ends the program if that was asked for. Throws Error for a flag that nobody read.
  void finish() const {
    if (help_) {
      std::printf("usage: %s [--flag VALUE]..., by default\n%s", program_.c_str(), usage_.c_str());
      std::exit(0);
    }
    for (const Given& given : given_) expect(given.known, program_, "there is no ", given.name, "; there are, by default,\n", usage_);
  }

 private:
  struct Given {
    std::string name, value;
    bool known = false;
  };

  static std::string write(int value) { return std::to_string(value); }
  static std::string write(const std::string& value) { return value.empty() ? "\"\"" : value; }
  static std::string write(cpu::Isa value) { return std::string(name(value)); }
  template <class T>
  static std::string write(const std::vector<T>& values) {
    std::string text;
    for (const T& value : values) text += (text.empty() ? "" : ",") + write(value);
    return text;
  }

  int parse(const Given& given, int) const {
    int value = 0;
    const char* const end = given.value.data() + given.value.size();
    const auto [stop, error] = std::from_chars(given.value.data(), end, value);
    expect(error == std::errc() && stop == end && value > 0, program_, given.name, " is '", given.value, "', expected a number above 0");
    return value;
  }
  const std::string& parse(const Given& given, const std::string&) const { return given.value; }
  cpu::Isa parse(const Given& given, cpu::Isa) const { return cpu::choose_isa(cpu::features().isa, given.value); }
  template <class T>
  std::vector<T> parse(const Given& given, const std::vector<T>&) const {
    std::vector<T> values;
    for (std::size_t at = 0; at <= given.value.size();) {
      const std::size_t end = std::min(given.value.find(',', at), given.value.size());
      values.push_back(parse(Given{given.name, given.value.substr(at, end - at)}, T{}));
      at = end + 1;
    }
    return values;
  }

  std::string program_, usage_;
  std::vector<Given> given_;
  bool help_ = false;
};

}  // namespace vernier::bench
