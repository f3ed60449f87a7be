// Whether to go on, asked while the engine works: Cancel and Ctrl-C must not wait for a step that takes seconds.
// Every tap (nn/tap.h) is a place where a run may stop, so it is asked between layers of UNet and VAE alike. Off, a
// place costs one look at a thread-local pointer; on, one look at the clock, and the answer is asked for when it is due.
#pragma once

#include <chrono>
#include <functional>

namespace catvton::poll {

using Ask = std::function<void()>;  // throws to stop the run

class Watch;

namespace detail {
inline thread_local Watch* current = nullptr;
}

// While it lives, `ask` is called on this thread at the first place of a run, and then again once `seconds` have passed.
class Watch {
 public:
  explicit Watch(const Ask& ask, double seconds = 0.05)
      : ask_(ask),
        pause_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))),
        due_(Clock::now()),
        before_(detail::current) {
    detail::current = this;
  }
  ~Watch() { detail::current = before_; }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void look() {
    if (Clock::now() < due_) return;
    ask_();
    due_ = Clock::now() + pause_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Ask& ask_;
  const Clock::duration pause_;
  Clock::time_point due_;
  Watch* before_;
};

inline void look() {
  if (detail::current != nullptr) detail::current->look();
}

}  // namespace catvton::poll
