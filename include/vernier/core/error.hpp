// How the library says no: one exception type, raised at the host entry of an operation, with the values that were wrong.
// Not for device code or inner loops, which never fail. Text is built without <sstream>, and only once a check has failed.
#pragma once

#include <concepts>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

namespace vernier {

/// Bad input: a wrong shape, an impossible config, an unsupported combination. what() names the function, the values and the remedy.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

inline void append(std::string& out, std::string_view text) { out += text; }
inline void append(std::string& out, char c) { out += c; }

template <std::integral T>
inline void append(std::string& out, T value) {
  if constexpr (std::same_as<T, bool>)
    out += value ? "true" : "false";
  else
    out += std::to_string(value);
}

template <std::floating_point T>
inline void append(std::string& out, T value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
  out += text;
}

}  // namespace detail

/// Joins parts (text, numbers, bool) into one string.
template <class... Parts>
[[nodiscard]] std::string concat(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

/// Throws Error("where: parts..."). `where` is the public function, for example "vernier::gemm".
template <class... Parts>
[[noreturn]] void fail(std::string_view where, const Parts&... parts) {
  throw Error(concat(where, ": ", parts...));
}

/// Throws Error("where: parts...") unless ok. State the values and what was expected: expect(k % 64 == 0, "vernier::f", "k = ", k, " is
/// ...").
template <class... Parts>
void expect(bool ok, std::string_view where, const Parts&... parts) {
  if (!ok) [[unlikely]]
    fail(where, parts...);
}

}  // namespace vernier
