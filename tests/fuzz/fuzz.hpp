// A fuzz target is one file <name>_fuzz.cpp in this folder that defines the two functions below; CMake finds it. Further seeds may lie in
// corpus/<name>/. An input fails if it crashes, trips a sanitizer, throws anything but vernier::Error, or takes more than ten seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace vernier::fuzz {

/// Well-formed inputs to start from.
std::vector<std::string> seeds();

}  // namespace vernier::fuzz

/// One input. Called by libFuzzer, or by driver.cpp where the compiler has none. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
