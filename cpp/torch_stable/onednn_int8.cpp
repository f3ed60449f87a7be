#include "torch_stable/onednn_int8.h"

#include <algorithm>
#include <cmath>
#include <exception>

#include "torch_stable/onednn.h"
#include "torch_stable/onednn_check.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"
#include "torch_stable/tensor.h"

namespace catvton::onednn::int8 {
namespace {

using torch_stable::call;

const Ints no_scalars;                     // Scalar?[]: an empty list of anything
const std::optional<std::string> no_text;  // str?
const std::string none = "none", add = "add", empty;
// What is written is no integer, so nothing is quantised again.
constexpr double output_scale = 1;
constexpr int64_t output_zero_point = 0;

float round_to_int8(const float* from, int64_t size, int8_t* into) {
  float largest = 0;
  for (int64_t i = 0; i < size; ++i) largest = std::max(largest, std::abs(from[i]));
  const float scale = largest > 0 ? largest / 127 : 1;
  for (int64_t i = 0; i < size; ++i) into[i] = static_cast<int8_t>(std::lrintf(from[i] / scale));
  return scale;
}

// Each output channel divided by the 127th part of its largest weight, to nearest.
Weight rounded(const Tensor& weight) {
  const int64_t out = weight.size(0), size = weight.numel() / std::max<int64_t>(1, out);
  Tensor values = torch::stable::empty(shape_of(weight), ScalarType::Char);
  Tensor scales = torch::stable::empty(Ints{out}, ScalarType::Float);
  constexpr int64_t at_once = 64;  // channels that are held in float32
  for (int64_t first = 0; first < out; first += at_once) {
    const int64_t count = std::min(at_once, out - first);
    const Tensor exact = ops::contiguous(ops::to(ops::narrow(weight, 0, first, count), ScalarType::Float));
    const float* from = exact.const_data_ptr<float>();
    auto* into = values.mutable_data_ptr<int8_t>() + first * size;
    float* scale = scales.mutable_data_ptr<float>() + first;
    torch_stable::parallel_for(0, count, 1, [=](int64_t begin, int64_t end) {
      for (int64_t channel = begin; channel < end; ++channel) {
        scale[channel] = round_to_int8(from + channel * size, size, into + channel * size);
      }
    });
  }
  return {values, scales, ops::to(ops::zeros_like(scales), ScalarType::Int), weight.scalar_type(), shape_of(weight)};
}

Tensor exactly(const Activations& x) {
  const Tensor zero = ops::full({}, static_cast<double>(x.zero_point), ScalarType::Float, x.values);
  return ops::mul(ops::sub(ops::to(x.values, ScalarType::Float), zero), x.scale);
}

// All of 0 to 255, and in one place 255 alone beside weights of 127: what saturates 16 bits.
Activations activations(const Ints& shape, ScalarType dtype) {
  Tensor values = torch::stable::empty(shape, ScalarType::Byte);
  for (int64_t i = 0; i < values.numel(); ++i) {
    values.mutable_data_ptr<uint8_t>()[i] = i < values.numel() / 2 ? 255 : static_cast<uint8_t>(i * 37 % 256);
  }
  return {values, 0.01, 3, dtype};
}

Tensor weights(const Ints& shape) {
  Tensor made = numbers(shape, 2);
  std::fill_n(made.mutable_data_ptr<float>(), made.numel() / 2, 1.0f);
  return made;
}

bool computes_rightly(ScalarType dtype) {
  const double rounding = dtype == ScalarType::Float ? 1e-6 : 0x1p-8;  // half a bfloat16's last place
  const Tensor b = numbers({48}, 3);
  auto float_of = [](const Tensor& t) { return ops::to(t, ScalarType::Float); };
  {
    const Activations x = activations({4, 5, 96}, dtype);
    const Weight w = pack_linear(weights({48, 96}));
    const Tensor r = ops::to(numbers({4, 5, 48}, 4), dtype), want = ops::linear(exactly(x), unpack(w), b);
    if (!agree(linear(x, w, b), want, rounding)) return false;
    if (!agree(linear(x, w, b, r), ops::add(want, float_of(r)), rounding)) return false;
  }
  const Activations x = activations({2, 64, 9, 7}, dtype);
  const Weight w = pack_conv2d(weights({48, 64, 3, 3}), 2, 1);
  return agree(conv2d(x, w, b, 2, 1), ops::conv2d(exactly(x), unpack(w), b, 2, 1), rounding);
}

}  // namespace

bool works() {
  static const bool found = [] {
    try {
      return kX86 && computes_rightly(ScalarType::Float) && computes_rightly(ScalarType::BFloat16);
    } catch (const std::exception&) {  // torch without oneDNN or these operators
      return false;
    }
  }();
  return found;
}

// onednn::qlinear_prepack(Tensor weight, int[]? x_shape) -> Tensor
Weight pack_linear(const Tensor& weight) {
  Weight made = rounded(weight);
  const Tensor matrix = ops::reshape(made.packed, {weight.size(0), weight.size(1)});
  made.packed = call("onednn::qlinear_prepack", "", matrix, std::optional<Ints>{});
  return made;
}

// onednn::qconv_prepack(Tensor weight, Tensor w_scales, float x_scale, int x_zp, int[] stride, int[] padding,
//                       int[] dilation, int groups, int[]? x_shape=None) -> Tensor
// The zero point tells that there may be one; its value and the scale do not matter to the layout.
Weight pack_conv2d(const Tensor& weight, int64_t stride, int64_t padding) {
  Weight made = rounded(weight);
  made.packed = call("onednn::qconv_prepack", "", made.packed, made.scales, 1.0, int64_t{1}, Ints{stride, stride},
                     Ints{padding, padding}, Ints{1, 1}, int64_t{1}, std::optional<Ints>{});
  return made;
}

Tensor unpack(const Weight& weight) {
  Tensor values = onednn::unpack(weight.packed);
  if (values.dim() == 2) values = ops::transpose(values, 0, 1);  // linear layers' are packed the other way round
  values = ops::reshape(ops::to(values, ScalarType::Float), weight.shape);
  Ints of_channels(weight.shape.size(), 1);
  of_channels[0] = weight.shape[0];
  return ops::to(ops::mul(values, ops::reshape(weight.scales, of_channels)), weight.dtype);
}

// onednn::qlinear_pointwise(Tensor qx, float x_scale, int x_zero_point, Tensor qw, Tensor w_scale, Tensor w_zero_point,
//     Tensor? bias, float output_scale, int output_zero_point, ScalarType? output_dtype, str post_op_name,
//     Scalar?[] post_op_args, str post_op_algorithm) -> Tensor
// onednn::qlinear_pointwise.binary(Tensor qx, float x_scale, int x_zero_point, Tensor qw, Tensor w_scale,
//     Tensor w_zero_point, Tensor? other, Tensor? bias, float output_scale, int output_zero_point,
//     ScalarType? output_dtype, float other_scale, int other_zp, str binary_post_op, float binary_alpha,
//     str unary_post_op, Scalar?[] unary_post_op_args, str unary_post_op_algorithm) -> Tensor
Tensor linear(const Activations& x, const Weight& weight, const OptionalTensor& bias, const OptionalTensor& residual) {
  const std::optional<ScalarType> dtype = x.dtype;
  if (residual) {  // its strides are not heeded
    return call("onednn::qlinear_pointwise", "binary", x.values, x.scale, x.zero_point, weight.packed, weight.scales,
                weight.zero_points, OptionalTensor{ops::contiguous(*residual)}, bias, output_scale, output_zero_point,
                dtype, 1.0, int64_t{0}, add, 1.0, none, no_scalars, empty);
  }
  return call("onednn::qlinear_pointwise", "", x.values, x.scale, x.zero_point, weight.packed, weight.scales,
              weight.zero_points, bias, output_scale, output_zero_point, dtype, none, no_scalars, empty);
}

// onednn::qconv2d_pointwise(Tensor qx, float x_scale, int x_zero_point, Tensor qw, Tensor w_scale, Tensor w_zero_point,
//     Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups, float output_scale,
//     int output_zero_point, ScalarType? output_dtype, str attr, Scalar?[] scalars, str? algorithm) -> Tensor
// The variant that adds a residual writes over it; others may still need theirs.
Tensor conv2d(const Activations& x, const Weight& weight, const OptionalTensor& bias, int64_t stride, int64_t padding) {
  return call("onednn::qconv2d_pointwise", "", x.values, x.scale, x.zero_point, weight.packed, weight.scales,
              weight.zero_points, bias, Ints{stride, stride}, Ints{padding, padding}, Ints{1, 1}, int64_t{1},
              output_scale, output_zero_point, std::optional<ScalarType>{x.dtype}, none, no_scalars, no_text);
}

}  // namespace catvton::onednn::int8
