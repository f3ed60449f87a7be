// Which instructions of this CPU our kernels may use. Kernels for one of these sets lie in files of their own,
// <op>_<set>.cpp, compiled with that set's flags; they include no header of torch, OpenCV or the standard library's
// templates: the linker could pick such an inline function, compiled for AVX-512, for everyone.
#pragma once

#include <string>

namespace catvton::ops {

enum class CpuLevel { aten, avx2, avx512, avx512_bf16 };  // each includes the ones before it; aten: none of ours

// The most that this CPU has and CATVTON_CPU (one of the names above) or set_cpu_level() allows. Where the build has no
// such kernels (no x86-64, or MSVC, whose flags were never tried), aten.
CpuLevel cpu_level();

// "auto" or a name; std::invalid_argument for others and for what this CPU lacks. Meant for tests and measurements: not
// to be called while an operator runs.
void set_cpu_level(const std::string& name);

const char* to_text(CpuLevel level);

}  // namespace catvton::ops
