// A named tap for every intermediate tensor: tests and notebooks read what the engine computes without a special build.
// Off (the default), a tap costs one look at a thread-local pointer. It is also where a run may stop (nn/poll.h).
#pragma once

#include <functional>
#include <string>

#include "nn/poll.h"
#include "torch_stable/call.h"

namespace catvton::tap {

using Sink = std::function<void(const std::string& name, const Tensor& value)>;

namespace detail {
inline thread_local const Sink* current = nullptr;
}

inline bool on() { return detail::current != nullptr; }

inline void record(const std::string& name, const Tensor& value) {
  poll::look();
  if (on()) (*detail::current)(name, value);
}

// record("step.000", "unet_in", x): the name is put together only where somebody listens.
inline void record(const std::string& prefix, const char* name, const Tensor& value) {
  poll::look();
  if (on()) (*detail::current)(prefix + "." + name, value);
}

// While it lives, taps of this thread go to `sink`; an empty sink turns them off.
class Listen {
 public:
  explicit Listen(const Sink& sink) : before_(detail::current) { detail::current = sink ? &sink : nullptr; }
  ~Listen() { detail::current = before_; }
  Listen(const Listen&) = delete;
  Listen& operator=(const Listen&) = delete;

 private:
  const Sink* before_;
};

}  // namespace catvton::tap
