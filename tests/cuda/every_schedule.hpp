// Runs a test of kernels under each of the emulator's schedules.
#pragma once

#include <gtest/gtest.h>

#include "simt/launch_block.hpp"

namespace vernier::cuda {

/// Calls f() once for each schedule; vernier::cuda::launch runs kernels under it.
template <class F>
void in_every_schedule(F f) {
  for (const simt::Options& options : simt::schedules()) {
    SCOPED_TRACE(to_string(options));
    simt::session().options = options;
    f();
  }
  simt::session().options = {};
}

}  // namespace vernier::cuda
