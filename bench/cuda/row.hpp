// One line of JSON for each thing that was measured, written at once: a program that is stopped leaves what it had.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdio>
#include <string>
#include <string_view>

#include "common/spread.hpp"

namespace vernier::bench {

class Row {
 public:
  Row() = default;
  /// What the line is about, as the field "kind".
  explicit Row(std::string_view kind) { add("kind", kind); }

  Row& add(std::string_view key, std::string_view value) { return put(key, quoted(value)); }
  Row& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  Row& add(std::string_view key, std::integral auto value) { return put(key, std::to_string(value)); }
  /// JSON has neither NaN nor infinity: null.
  Row& add(std::string_view key, double value) { return put(key, number(value)); }
  Row& add(std::string_view key, const Spread& s) {
    return put(key, "{\"median\": " + number(s.median) + ", \"min\": " + number(s.min) + ", \"max\": " + number(s.max) + "}");
  }
  Row& add(std::string_view key, const Row& inner) { return put(key, inner.text()); }

  std::string text() const { return "{" + fields_ + "}"; }
  void print() const {
    std::printf("%s\n", text().c_str());
    std::fflush(stdout);
  }

 private:
  Row& put(std::string_view key, const std::string& value) {
    fields_ += (fields_.empty() ? "" : ", ") + quoted(key) + ": " + value;
    return *this;
  }
  static std::string number(double value) {
    if (!std::isfinite(value)) return "null";
    char text[32];
    std::snprintf(text, sizeof text, "%.7g", value);
    return text;
  }
  static std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
      char code[8];
      if (static_cast<unsigned char>(c) < 0x20) {
        std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
        out += code;
      } else {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
      }
    }
    return out + "\"";
  }

  std::string fields_;
};

}  // namespace vernier::bench
