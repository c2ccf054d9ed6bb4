// JSON from strangers: parsed with a bound on its depth, and without the liberties that would let two readers see two requests.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <string>
#include <string_view>

namespace vernier::serve {

inline constexpr std::size_t max_json_depth = 64;

/// The value that `text` spells. Throws ApiError(400) that says what is wrong and at which byte: syntax, more than max_json_depth levels,
/// a key that an object has twice, bytes that are no UTF-8, half a surrogate pair, NaN, a number beyond double, text behind the value.
boost::json::value parse_json(std::string_view text);

/// As parse_json, for a request body, which must be an object.
boost::json::object parse_body(std::string_view text);

/// A value as error messages show it: serialised, at most about 60 bytes, cut at a character.
std::string shown(const boost::json::value& value);

/// Valid UTF-8 as messages show it: at most about 60 bytes, cut at a character.
std::string excerpt(std::string text);

/// `bytes` with all that is not UTF-8 replaced by U+FFFD, as JSON strings must be.
std::string valid_utf8(std::string_view bytes);

}  // namespace vernier::serve
