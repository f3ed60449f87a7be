// Runs a kernel's body (ops/gpu/kernel.h) on the CPU, thread by thread and phase by phase: slow, and the true text of the
// kernel with its true geometry. Shared memory is a block of exactly the size asked for, and holds no numbers at first, so
// that sanitizers and results tell what a device might not.
#pragma once

#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ops/gpu/kernel.h"

namespace catvton::ops::gpu {

struct Emulate {
  template <class Body>
  void operator()(const Body& body, const Geometry& geometry) const {
    if (geometry.blocks < 1 || geometry.blocks > most_blocks || geometry.threads < 1 ||
        geometry.threads > threads_of_a_block || geometry.shared_floats < 0 ||
        geometry.shared_floats > most_shared_floats) {
      throw std::logic_error(std::string(Body::name) + ": no device could launch this geometry");
    }
    for (int64_t block = 0; block < geometry.blocks; ++block) {
      std::vector<float> shared(static_cast<size_t>(geometry.shared_floats), std::numeric_limits<float>::quiet_NaN());
      std::vector<typename Body::Private> privates(static_cast<size_t>(geometry.threads));
      phases(body, geometry, block, shared, privates, std::make_integer_sequence<int, Body::phases>{});
    }
  }

 private:
  template <class Body, int... numbers>
  static void phases(const Body& body, const Geometry& geometry, int64_t block, std::vector<float>& shared,
                     std::vector<typename Body::Private>& privates, std::integer_sequence<int, numbers...>) {
    auto all_threads = [&](auto phase) {
      for (int thread = 0; thread < geometry.threads; ++thread) {
        const Thread at{block, geometry.blocks, thread, geometry.threads};
        body.phase(phase, at, shared.data(), privates[static_cast<size_t>(thread)]);
      }
    };
    (all_threads(Phase<numbers>{}), ...);
  }
};

}  // namespace catvton::ops::gpu
