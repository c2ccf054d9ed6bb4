// What main() of a command-line program is: usage errors are CLI11's to print, any other is one line, and the exit code tells them apart.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

namespace vernier {

/// Runs `body`, which parses with `app` and does the work. Returns the exit code: 0, CLI11's for the command line, 1 for an error, which is
/// printed behind the program's name.
template <class Body>
int run_command(const CLI::App& app, const char* program, Body&& body) {
  try {
    body();
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 1;
  }
}

}  // namespace vernier
