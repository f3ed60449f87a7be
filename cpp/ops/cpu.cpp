#include "ops/cpu.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace catvton::ops {
namespace {

constexpr CpuLevel levels[] = {CpuLevel::aten, CpuLevel::avx2, CpuLevel::avx512, CpuLevel::avx512_bf16};

// __builtin_cpu_supports asks the operating system, too, whether it saves the wide registers.
CpuLevel present() {
#ifdef CATVTON_X86_KERNELS
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return CpuLevel::aten;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return CpuLevel::avx2;
  }
  return __builtin_cpu_supports("avx512bf16") ? CpuLevel::avx512_bf16 : CpuLevel::avx512;
#else
  return CpuLevel::aten;
#endif
}

CpuLevel parse(const std::string& name) {
  if (name == "auto" || name.empty()) return present();
  for (const CpuLevel level : levels) {
    if (name != to_text(level)) continue;
    if (level <= present()) return level;
    throw std::invalid_argument("CATVTON_CPU is " + name + ", and this CPU and build have " + to_text(present()) +
                                " at most; leave it unset");
  }
  throw std::invalid_argument("CATVTON_CPU is " + name + ": expected auto, aten, avx2, avx512 or avx512_bf16");
}

CpuLevel from_environment() {
  const char* name = std::getenv("CATVTON_CPU");
  try {
    return parse(name ? name : "auto");
  } catch (const std::invalid_argument& error) {  // nobody is there to catch it: this runs inside a forward pass
    std::fprintf(stderr, "catvton: %s\n", error.what());
    return present();
  }
}

std::atomic<CpuLevel>& chosen() {
  static std::atomic<CpuLevel> level = from_environment();
  return level;
}

}  // namespace

CpuLevel cpu_level() { return chosen(); }

void set_cpu_level(const std::string& name) { chosen() = parse(name); }

const char* to_text(CpuLevel level) {
  switch (level) {
    case CpuLevel::avx2:
      return "avx2";
    case CpuLevel::avx512:
      return "avx512";
    case CpuLevel::avx512_bf16:
      return "avx512_bf16";
    default:
      return "aten";
  }
}

}  // namespace catvton::ops
