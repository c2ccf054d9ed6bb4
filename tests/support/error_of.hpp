// What a call that must fail says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "vernier/core/error.hpp"

namespace vernier::test {

/// The message of the Error that f() throws; fails the test when it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

}  // namespace vernier::test
