// How loaders show what they found in a file: names from files are hostile, so they are checked and shortened before they are printed.
#pragma once

#include <string>
#include <string_view>

namespace vernier::io {

/// Whether `bytes` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF (Unicode 15, table 3-7).
bool is_utf8(std::string_view bytes);

/// `bytes` in double quotes for an error message: at most 80 bytes of it, control characters and what is not ASCII as \xNN.
std::string quoted(std::string_view bytes);

}  // namespace vernier::io
