#include "torch_stable/onednn.h"

#include <exception>

#include "ops/cpu.h"
#include "torch_stable/onednn_check.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::onednn {
namespace {

using torch_stable::call;

const Ints no_scalars;                     // Scalar?[]: an empty list of anything
const std::optional<double> no_scalar;     // Scalar?
const std::optional<std::string> no_text;  // str?
const std::string no_activation = "none", sum = "add";

// mkldnn::_convolution_pointwise(Tensor X, Tensor W, Tensor? B, int[] padding, int[] stride, int[] dilation, int groups,
//                                str attr, Scalar?[] scalars, str? algorithm) -> Tensor
// mkldnn::_convolution_pointwise.binary(Tensor X, Tensor other, Tensor W, Tensor? B, int[] padding, int[] stride,
//                                       int[] dilation, int groups, str binary_attr, Scalar? alpha, str? unary_attr,
//                                       Scalar?[] unary_scalars, str? unary_algorithm) -> Tensor
Tensor conv2d(const Tensor& x, const Tensor& packed, const OptionalTensor& bias, int64_t stride, int64_t padding,
              const OptionalTensor& residual = {}) {
  const Ints strides{stride, stride}, paddings{padding, padding}, dilation{1, 1};
  if (residual && residual->size(2) * residual->size(3) > 1) {  // of a single pixel torch 2.10 refuses it
    return call("mkldnn::_convolution_pointwise", "binary", x, *residual, packed, bias, paddings, strides, dilation,
                int64_t{1}, sum, no_scalar, no_text, no_scalars, no_text);
  }
  const Tensor out = call("mkldnn::_convolution_pointwise", "", x, packed, bias, paddings, strides, dilation,
                          int64_t{1}, no_activation, no_scalars, no_text);
  return residual ? ops::add(out, *residual) : out;
}

bool computes_rightly(ScalarType dtype) {
  if (!kX86 || lacks_instructions(dtype)) return false;
  const double rounding = dtype == ScalarType::Float ? 1e-6 : 0x1p-8;  // half a bfloat16's last place
  auto given = [&](const Ints& shape, int64_t seed) { return ops::to(numbers(shape, seed), dtype); };
  auto exact = [](const Tensor& t) { return ops::to(t, ScalarType::Float); };
  try {
    {
      const Tensor x = given({2, 5, 24}, 1), w = given({40, 24}, 2), b = given({40}, 3), r = given({2, 5, 40}, 4);
      const Tensor packed = pack_linear(w), want = ops::linear(exact(x), exact(w), exact(b));
      if (!agree(unpack(packed), w, 0) || !agree(linear(x, packed, b), want, rounding)) return false;
      if (!agree(linear(x, packed, b, r), ops::add(want, exact(r)), rounding)) return false;
    }
    const Tensor x = given({2, 24, 9, 7}, 1), w = given({40, 24, 3, 3}, 2), b = given({40}, 3);
    const Tensor r = given({2, 40, 5, 4}, 4);
    const Tensor packed = pack_conv2d(w, 2, 1), want = ops::conv2d(exact(x), exact(w), exact(b), 2, 1);
    return agree(unpack(packed), w, 0) && agree(conv2d(x, packed, b, 2, 1), want, rounding) &&
           agree(conv2d(x, packed, b, 2, 1, r), ops::add(want, exact(r)), rounding);
  } catch (const std::exception&) {  // no such operator, or not in this dtype on this processor
    return false;
  }
}

}  // namespace

// mkldnn::_is_mkldnn_bf16_supported() -> bool, and its twin for float16. Asked first: torch prints a stack trace of what
// it refuses.
bool lacks_instructions(ScalarType dtype) {
  auto lacking = [](const char* question) {
    try {
      return kX86 && !call<bool>(question, "");
    } catch (const std::exception&) {  // torch without oneDNN
      return false;
    }
  };
  static const bool bfloat16 = lacking("mkldnn::_is_mkldnn_bf16_supported");
  static const bool float16 = lacking("mkldnn::_is_mkldnn_fp16_supported");
  return (dtype == ScalarType::BFloat16 && bfloat16) || (dtype == ScalarType::Half && float16);
}

bool works(ScalarType dtype) {
  static const bool in_float = computes_rightly(ScalarType::Float);
  static const bool in_bfloat16 = computes_rightly(ScalarType::BFloat16);
  return (dtype == ScalarType::Float && in_float) || (dtype == ScalarType::BFloat16 && in_bfloat16);
}

bool is_packed(const Tensor& weight) {
  int32_t layout = 0;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_layout(weight.get(), &layout));
  return layout == aoti_torch_layout__mkldnn();
}

// mkldnn::_reorder_linear_weight(Tensor self, int? batch_size=None) -> Tensor
Tensor pack_linear(const Tensor& weight) {
  return call("mkldnn::_reorder_linear_weight", "", contiguous(weight), std::optional<int64_t>{});
}

// mkldnn::_reorder_convolution_weight(Tensor self, int[2] padding=0, int[2] stride=1, int[2] dilation=1, int groups=1,
//                                     int[]? input_size=None) -> Tensor
Tensor pack_conv2d(const Tensor& weight, int64_t stride, int64_t padding, const std::optional<Ints>& input) {
  return call("mkldnn::_reorder_convolution_weight", "", contiguous(weight), Ints{padding, padding},
              Ints{stride, stride}, Ints{1, 1}, int64_t{1}, input);
}

// aten::to_dense(Tensor self, ScalarType? dtype=None, *, bool? masked_grad=None) -> Tensor
Tensor unpack(const Tensor& packed) {
  return call("aten::to_dense", "", packed, std::optional<ScalarType>{}, std::optional<bool>{});
}

// mkldnn::_linear_pointwise(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) -> Tensor
// mkldnn::_linear_pointwise.binary(Tensor X, Tensor other, Tensor W, Tensor? B, str attr) -> Tensor
Tensor linear(const Tensor& x, const Tensor& packed, const OptionalTensor& bias, const OptionalTensor& residual) {
  if (residual) return call("mkldnn::_linear_pointwise", "binary", x, *residual, packed, bias, sum);
  return call("mkldnn::_linear_pointwise", "", x, packed, bias, no_activation, no_scalars, no_text);
}

Tensor PackedWeight::get() const {
  const std::lock_guard alone(alone_);
  return packed_;
}

void PackedWeight::set(Tensor packed) {
  const std::lock_guard alone(alone_);
  packed_ = std::move(packed);
}

Tensor PackedConv2d::operator()(const Tensor& x, const OptionalTensor& bias, const OptionalTensor& residual) {
  const Maps maps{shape_of(x), torch::stable::get_num_threads()};
  if (misfit(maps)) weight_->set(pack_conv2d(unpack(weight_->get()), stride_, padding_, maps.first));
  return conv2d(x, weight_->get(), bias, stride_, padding_, residual);
}

// Asked once a call; where true, the weight is about to fit.
bool PackedConv2d::misfit(const Maps& maps) {
  if (ops::cpu_level() >= ops::CpuLevel::avx512) return false;  // every size has the same layout there
  const std::lock_guard alone(remembering_);
  const bool again = maps == std::exchange(last_, maps);
  if (fits_ == maps || !(again || fits_.first.empty())) return false;
  fits_ = maps;
  return true;
}

}  // namespace catvton::onednn
