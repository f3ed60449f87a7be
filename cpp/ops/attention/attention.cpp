#include "ops/attention/attention.h"

#include <cmath>

#include "ops/attention/kernels.h"
#include "ops/cpu.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace {

constexpr const char* kAten = "aten::scaled_dot_product_attention";

Tensor reference(const std::vector<Tensor>& qkv) { return scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]); }

attention_cpu::Strided strided(const Tensor& t) { return {t.const_data_ptr(), t.stride(0), t.stride(1), t.stride(2)}; }

// What the kernels take: tokens whose elements lie in a row, at any distance, of a size in whole tiles.
bool suits(const Tensor& q, const Tensor& k, const Tensor& v) {
  for (const Tensor* t : {&q, &k, &v}) {
    if (!t->is_cpu() || t->dim() != 4 || t->scalar_type() != q.scalar_type() || t->stride(3) != 1) return false;
    if (t->size(0) != q.size(0) || t->size(1) != q.size(1) || t->size(3) != q.size(3) || t->numel() == 0) return false;
  }
  return k.size(2) == v.size(2) && q.size(3) % 8 == 0 && q.size(3) <= attention_cpu::kLargestSize;
}

template <const attention_cpu::Kernel& kernel>
Tensor compute(const std::vector<Tensor>& qkv) {
  const Tensor &q = qkv[0], &k = qkv[1], &v = qkv[2];
  const int64_t batch = q.size(0), heads = q.size(1), queries = q.size(2), size = q.size(3), keys = k.size(2);
  Tensor out = torch::stable::new_empty(q, {batch, queries, heads, size});
  const int64_t bytes = batch * heads * kernel.packed_bytes(keys, size);
  Tensor packed = torch::stable::empty({bytes}, ScalarType::Byte, std::nullopt, q.device());
  const attention_cpu::Problem problem{strided(q),
                                       strided(k),
                                       strided(v),
                                       out.mutable_data_ptr(),
                                       heads,
                                       queries,
                                       keys,
                                       size,
                                       static_cast<float>(1 / std::sqrt(static_cast<double>(size))),
                                       packed.mutable_data_ptr()};
  torch_stable::parallel_for(0, batch * heads, 1, [&](int64_t first, int64_t last) {
    for (int64_t head = first; head < last; ++head) kernel.pack(problem, head);
  });
  const int64_t blocks = (queries + kernel.query_block - 1) / kernel.query_block;
  torch_stable::parallel_for(0, batch * heads * blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) kernel.run(problem, i / blocks, i % blocks);
  });
  return transpose(out, 1, 2);  // [B, heads, N, D]: the layer's transposing back then copies nothing
}

// For half types that have no kernel of their own on this CPU: the copies are nothing beside N x N scores.
template <const attention_cpu::Kernel& kernel>
Tensor compute_in_float32(const std::vector<Tensor>& qkv) {
  std::vector<Tensor> wide;
  for (const Tensor& t : qkv) wide.push_back(to(t, ScalarType::Float));
  return to(compute<kernel>(wide), qkv[0].scalar_type());
}

// Ragged in queries (2 x 77) and keys (150): every path of a kernel.
SelfCheck self_check(const char* implementation, Operator ours) {
  return {"attention", implementation, {{2, 3, 77, 40}, {2, 3, 150, 40}, {2, 3, 150, 40}}, ours, &reference};
}

// The kernel for a dtype on this CPU, or null.
const SelfCheck* own(const Tensor& like) {
#ifdef CATVTON_X86_KERNELS
  using namespace attention_cpu;
  static const SelfCheck avx2 = self_check("avx2", &compute<avx2_float32>);
  static const SelfCheck avx512 = self_check("avx512", &compute<avx512_float32>);
  static const SelfCheck avx2_wide = self_check("avx2 in float32", &compute_in_float32<avx2_float32>);
  static const SelfCheck avx512_wide = self_check("avx512 in float32", &compute_in_float32<avx512_float32>);
  static const SelfCheck avx512_bf16 = self_check("avx512_bf16", &compute<avx512_bfloat16>);
  if (!like.is_cpu()) return nullptr;
  const CpuLevel level = cpu_level();
  switch (like.scalar_type()) {
    case ScalarType::BFloat16:
      if (level >= CpuLevel::avx512_bf16) return &avx512_bf16;
      [[fallthrough]];
    case ScalarType::Half:
      return level >= CpuLevel::avx512 ? &avx512_wide : level >= CpuLevel::avx2 ? &avx2_wide : nullptr;
    case ScalarType::Float:
      return level >= CpuLevel::avx512 ? &avx512 : level >= CpuLevel::avx2 ? &avx2 : nullptr;
    default:
      return nullptr;
  }
#else
  (void)like;
  return nullptr;
#endif
}

// The kernel with scores in eight bits, or null. VNNI is older than AVX512-BF16, and not a part of it.
const SelfCheck* own_in_int8(const Tensor& like) {
#ifdef CATVTON_X86_KERNELS
  using namespace attention_cpu;
  auto approximate = [](Operator ours) {
    SelfCheck check = self_check("avx512_vnni", ours);
    check.name = "attention, int8 scores";
    check.approximation = 0.02;
    return check;
  };
  static const SelfCheck float32 = approximate(&compute<avx512_vnni_float32>);
  static const SelfCheck bfloat16 = approximate(&compute<avx512_vnni_bfloat16>);
  static const bool has_vnni = __builtin_cpu_supports("avx512vnni");
  if (!like.is_cpu() || !has_vnni) return nullptr;
  const CpuLevel level = cpu_level();
  if (like.scalar_type() == ScalarType::BFloat16 && level >= CpuLevel::avx512_bf16) return &bfloat16;
  if (like.scalar_type() == ScalarType::Float && level >= CpuLevel::avx512) return &float32;
#else
  (void)like;
#endif
  return nullptr;
}

const Registration registration("attention", [](const Tensor& like) -> std::string {
  if (is_meta(like)) return "shape only";
  const SelfCheck* kernel = own(like);
  return kernel ? verdict(*kernel, like, kAten) : kAten;
});

// The kernel that is to compute this, or null.
const SelfCheck* chosen(const Tensor& query, const Tensor& key, const Tensor& value, bool int8_scores) {
  // The stable ABI does not say whether a tensor requires a gradient: where one may be wanted, ATen, which has one.
  if (torch_stable::grad_enabled() || !suits(query, key, value)) return nullptr;
  for (const SelfCheck* kernel : {int8_scores ? own_in_int8(query) : nullptr, own(query)}) {
    if (kernel && trusted(*kernel, query)) return kernel;
  }
  return nullptr;
}

}  // namespace

bool attends_in_int8(const Tensor& like) {
  const SelfCheck* kernel = own_in_int8(like);
  return kernel != nullptr && trusted(*kernel, like);
}

bool attends_in_blocks(const Tensor& query, const Tensor& key, const Tensor& value) {
  return chosen(query, key, value, /*int8_scores=*/false) != nullptr;
}

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, bool int8_scores) {
  // On `meta`, ATen decomposes attention into its N x N scores, which no device computes: only the result is wanted.
  if (is_meta(query)) return torch::stable::empty_like(query);
  const SelfCheck* kernel = chosen(query, key, value, int8_scores);
  return kernel ? kernel->ours({query, key, value}) : scaled_dot_product_attention(query, key, value);
}

}  // namespace catvton::ops
