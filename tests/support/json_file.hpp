// JSON test data from the data folder.
#pragma once

#include <boost/json/parse.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace vernier::test {

/// All bytes of a file; throws if it cannot be opened.
inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The object in VERNIER_TEST_DATA/<name>.
inline boost::json::object read_json(const std::string& name) {
  return boost::json::parse(read_file(std::string(VERNIER_TEST_DATA) + "/" + name)).as_object();
}

}  // namespace vernier::test
