// The torch-free attention kernels against a naive loop in double, in buffers of exactly their size: built with
// AddressSanitizer and UndefinedBehaviourSanitizer by `make test-asan`, it also finds what reads or writes beside them.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "cpu.h"
#include "numbers.h"
#include "ops/attention/kernels.h"

using namespace catvton::ops::attention_cpu;

namespace {

struct Shape {
  int64_t batch, heads, queries, keys, size;
};

// [B, N, heads, D], as the UNet's projections lie in memory.
template <class Element>
Strided view(const std::vector<Element>& data, int64_t tokens, const Shape& s) {
  return {data.data(), tokens * s.heads * s.size, s.size, s.heads * s.size};
}

template <class Element>
double worst_error(const Kernel& kernel, const Shape& s) {
  std::mt19937 engine(1);
  auto filled = [&](int64_t tokens) {
    std::vector<Element> data(s.batch * tokens * s.heads * s.size);
    for (auto& x : data) from_float(static_cast<float>(engine() / 4294967296.0 * 4 - 2), x);
    return data;
  };
  const auto q = filled(s.queries), k = filled(s.keys), v = filled(s.keys);
  std::vector<Element> out(q.size());
  const int64_t bytes = s.batch * s.heads * kernel.packed_bytes(s.keys, s.size);
  const std::unique_ptr<void, decltype(&std::free)> packed(std::aligned_alloc(64, bytes), &std::free);
  const float scale = 1 / std::sqrt(static_cast<float>(s.size));
  const Problem problem{view(q, s.queries, s),
                        view(k, s.keys, s),
                        view(v, s.keys, s),
                        out.data(),
                        s.heads,
                        s.queries,
                        s.keys,
                        s.size,
                        scale,
                        packed.get()};
  for (int64_t head = 0; head < s.batch * s.heads; ++head) {
    kernel.pack(problem, head);
    for (int64_t b = 0; b * kernel.query_block < s.queries; ++b) kernel.run(problem, head, b);
  }
  double worst = 0;
  std::vector<double> p(s.keys);
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t h = 0; h < s.heads; ++h) {
      auto at = [&](const std::vector<Element>& data, int64_t tokens, int64_t n, int64_t d) {
        return static_cast<double>(to_float(data[((b * tokens + n) * s.heads + h) * s.size + d]));
      };
      for (int64_t i = 0; i < s.queries; ++i) {
        double sum = 0;
        for (int64_t n = 0; n < s.keys; ++n) {
          double score = 0;
          for (int64_t d = 0; d < s.size; ++d) score += at(q, s.queries, i, d) * at(k, s.keys, n, d);
          sum += p[n] = std::exp(score * scale);
        }
        for (int64_t d = 0; d < s.size; ++d) {
          double exact = 0;
          for (int64_t n = 0; n < s.keys; ++n) exact += p[n] / sum * at(v, s.keys, n, d);
          const double error = std::abs(at(out, s.queries, i, d) - exact);
          worst = std::isnan(error) ? INFINITY : std::max(worst, error);
        }
      }
    }
  }
  return worst;
}

constexpr Shape shapes[] = {{1, 1, 1, 1, 8},     {2, 3, 17, 17, 40},  {1, 2, 48, 128, 40},  {1, 1, 49, 129, 80},
                            {2, 1, 7, 300, 160}, {1, 8, 96, 96, 40},  {1, 1, 50, 131, 512}, {1, 3, 24, 5, 24},
                            {1, 1, 100, 257, 8}, {3, 2, 33, 127, 72}, {1, 2, 5, 16, 16}};

template <class Element>
bool check(const char* name, const Kernel& kernel, bool present, double allowed) {
  if (!present) return std::printf("%-17s this CPU lacks it\n", name), true;
  bool good = true;
  for (const Shape& s : shapes) {
    const double error = worst_error<Element>(kernel, s);
    if (error <= allowed) continue;
    good = false;
    std::printf("%s [%ld, %ld, %ld, %ld] and %ld keys: error %.2g, at most %.2g expected\n", name, long(s.batch),
                long(s.heads), long(s.queries), long(s.size), long(s.keys), error, allowed);
  }
  std::printf("%-17s %s\n", name, good ? "ok" : "FAILED");
  return good;
}

}  // namespace

int main() {
  const bool avx2 = has_avx2(), avx512 = has_avx512();
  bool good = check<float>("avx2", avx2_float32, avx2, 4e-6);
  good &= check<float>("avx512", avx512_float32, avx512, 4e-6);
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  good &= check<uint16_t>("avx512_bf16", avx512_bfloat16, bf16, 2.5e-2);
  const bool vnni = __builtin_cpu_supports("avx512vnni");
  good &= check<float>("avx512_vnni", avx512_vnni_float32, avx512 && vnni, 5e-2);
  good &= check<uint16_t>("avx512_bf16_vnni", avx512_vnni_bfloat16, bf16 && vnni, 5e-2);
  return good ? 0 : 1;
}
