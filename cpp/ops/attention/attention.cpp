#include "ops/attention/attention.h"

#include "ops/registry.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace {

const Registration registration("attention", [](const Tensor& like) -> std::string {
  return is_meta(like) ? "shape only" : "aten::scaled_dot_product_attention";
});

}  // namespace

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value) {
  // On `meta`, ATen decomposes attention into its N x N scores, which no device computes: only the result is wanted.
  if (is_meta(query)) return torch::stable::empty_like(query);
  return scaled_dot_product_attention(query, key, value);
}

}  // namespace catvton::ops
