#include "ops/group_norm/group_norm.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "ops/gpu/choice.h"
#include "ops/group_norm/group_norm_gpu.h"
#include "ops/group_norm/group_norm_kernel.h"
#include "ops/kernels.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"

namespace catvton::ops {
namespace {

constexpr int64_t pixels_at_once = 128;  // of one thread: results do not depend on the number of threads

// float32 [C] or [B, C] on the CPU, contiguous.
std::vector<float> numbers(const Tensor& t) {
  const Tensor exact = contiguous(to(t, ScalarType::Float));
  const float* first = exact.const_data_ptr<float>();
  return {first, first + exact.numel()};
}

Tensor by_aten(const GroupNormInput& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
               bool silu) {
  const auto& [x, shift, conv_bias] = input;
  const Tensor biased = conv_bias ? add(x, reshape(*conv_bias, {1, x.size(1), 1, 1})) : x;
  const Tensor shifted = shift ? add(biased, reshape(*shift, {x.size(0), x.size(1), 1, 1})) : biased;
  const Tensor normalised = group_norm(shifted, groups, weight, bias, eps);
  return silu ? ops::silu(normalised) : normalised;
}

Tensor by_gpu(const GroupNormInput& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
              bool silu) {
  const Tensor& x = input.x;
  const OptionalTensor &shift = input.shift, &conv_bias = input.conv_bias;
  const int64_t batch = x.size(0), channels = x.size(1), pixels = x.numel() / (batch * channels);
  auto alike = [&](const Tensor& t) { return contiguous(to(t, x.scalar_type())); };
  const Tensor w = alike(weight), b = alike(bias), s = shift ? alike(*shift) : w;
  const Tensor before = conv_bias ? alike(*conv_bias) : w;
  Tensor y = torch::stable::empty_like(x);
  const bool channels_last = !x.is_contiguous();
  const Tensor workspace = torch::stable::empty({gpu::group_norm_workspace(batch, channels, pixels, channels_last)},
                                                ScalarType::Float, std::nullopt, x.device());
  const gpu::GroupNormArguments arguments{x.data_ptr(),
                                          y.data_ptr(),
                                          shift ? s.data_ptr() : nullptr,
                                          conv_bias ? before.data_ptr() : nullptr,
                                          w.data_ptr(),
                                          b.data_ptr(),
                                          static_cast<float*>(workspace.data_ptr()),
                                          gpu::number_of(x.scalar_type()),
                                          batch,
                                          channels,
                                          pixels,
                                          groups,
                                          static_cast<float>(eps),
                                          silu,
                                          channels_last};
  gpu::run(x, arguments, CATVTON_CUDA_KERNEL(gpu::group_norm_cuda),
           [](const gpu::GroupNormArguments& in) { gpu::group_norm(gpu::Emulate{}, in); });
  return y;
}

// Problems of x as [B, H, W, C], shift, weight, bias and the convolution's bias, each in both memory formats.
template <Tensor (*function)(const GroupNormInput&, int64_t, const Tensor&, const Tensor&, double, bool)>
Tensor in_both_formats(const std::vector<Tensor>& in) {
  std::vector<Tensor> results;
  for (size_t i = 0; i < in.size(); i += 5) {
    const Tensor channels_last = permute(in[i], Ints{0, 3, 1, 2});
    const OptionalTensor shift = in[i + 1];
    for (const Tensor& x : {channels_last, contiguous(channels_last)}) {
      results.push_back(reshape(function({x, shift, in[i + 4]}, 4, in[i + 2], in[i + 3], 1e-5, true), {-1}));
    }
  }
  return cat(results, 0);
}

// Between them, rows of channels and of pixels that divide into packs and such that do not.
const SelfCheck gpu_check{"fused_group_norm",
                          "cuda",
                          {{2, 15, 11, 48}, {2, 48}, {48}, {48}, {48}, {2, 8, 16, 44}, {2, 44}, {44}, {44}, {44}},
                          &in_both_formats<&by_gpu>,
                          &in_both_formats<&by_aten>};

#ifdef CATVTON_X86_KERNELS

Tensor apply(const Tensor& x, const ChannelFactors& factors, bool silu) {
  const int64_t batch = x.size(0), channels = x.size(1), pixels = x.size(2) * x.size(3);
  const bool is_bfloat16 = x.scalar_type() == ScalarType::BFloat16;
  const int64_t size = is_bfloat16 ? 2 : 4, parts = (pixels + pixels_at_once - 1) / pixels_at_once;
  const kernels::GroupNorm& kernel = widest(kernels::group_norm_avx2, kernels::group_norm_avx512);
  Tensor y = torch::stable::empty_like(x);
  const char* from = static_cast<const char*>(x.data_ptr());
  char* into = static_cast<char*>(y.data_ptr());
  torch_stable::parallel_for(0, batch * parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t b = i / parts, pixel = i % parts * pixels_at_once;
      const int64_t at = (b * pixels + pixel) * channels * size;
      kernel.scale_and_shift(from + at, into + at, is_bfloat16, std::min(pixels_at_once, pixels - pixel), channels,
                             &factors.scale[b * channels], &factors.offset[b * channels], silu);
    }
  });
  return y;
}

Tensor by_kernel(const Tensor& x, const OptionalTensor& shift, int64_t groups, const Tensor& weight, const Tensor& bias,
                 double eps, bool silu) {
  ChannelSums sums;
  sums.add(x);
  return apply(x, sums.factors(groups, weight, bias, eps, shift), silu);
}

Tensor plain(const Tensor& x, const OptionalTensor& shift, int64_t groups, const Tensor& weight, const Tensor& bias,
             double eps, bool silu) {
  return by_aten({x, shift}, groups, weight, bias, eps, silu);
}

// x as [B, H, W, C], shift, weight, bias
template <Tensor (*function)(const Tensor&, const OptionalTensor&, int64_t, const Tensor&, const Tensor&, double, bool)>
Tensor checked(const std::vector<Tensor>& in) {
  return function(permute(in[0], Ints{0, 3, 1, 2}), in[1], 4, in[2], in[3], 1e-5, true);
}

const SelfCheck on_avx2{
    "fused_group_norm", "avx2", {{2, 15, 11, 44}, {2, 44}, {44}, {44}}, &checked<&by_kernel>, &checked<&plain>};
const SelfCheck on_avx512 = on_avx2.of("avx512");

bool has_kernel(const Tensor& x) { return suits_vectors(x) && x.numel() > 0 && trusted(widest(on_avx2, on_avx512), x); }

#endif

const Registration registration("fused_group_norm", [](const Tensor& like) -> std::string {
  if (gpu::suits(like)) return verdict(gpu_check, like, "aten::group_norm");
#ifdef CATVTON_X86_KERNELS
  if (suits_vectors(like)) return verdict(widest(on_avx2, on_avx512), like, "aten::group_norm");
#endif
  return "aten::group_norm";
});

}  // namespace

bool group_norm_adds_bias(const Tensor& like) { return gpu::suits(like) && trusted(gpu_check, like); }

Tensor fused_group_norm(const GroupNormInput& input, int64_t groups, const Tensor& weight, const Tensor& bias,
                        double eps, bool silu) {
  const Tensor& x = input.x;
  if (group_norm_adds_bias(x) && x.numel() > 0 && (x.is_contiguous() || is_channels_last(x))) {
    return by_gpu(input, groups, weight, bias, eps, silu);
  }
#ifdef CATVTON_X86_KERNELS
  if (has_kernel(x) && is_channels_last(x) && !input.conv_bias) {
    return by_kernel(x, input.shift, groups, weight, bias, eps, silu);
  }
#endif
  return by_aten(input, groups, weight, bias, eps, silu);
}

#ifdef CATVTON_X86_KERNELS

bool ChannelSums::suits(const Tensor& map) { return has_kernel(map) && pictures_are_channels_last(map); }

void ChannelSums::add(const Tensor& rows) {
  const Tensor x = torch::stable::contiguous(rows, torch::headeronly::MemoryFormat::ChannelsLast);
  const int64_t batch = x.size(0), channels = x.size(1), pixels = x.size(2) * x.size(3);
  if (pixels_ == 0) {
    batch_ = batch, channels_ = channels;
    origins_ = contiguous(permute(narrow(narrow(x, 2, 0, 1), 3, 0, 1), Ints{0, 2, 3, 1}));
    sums_.resize(batch * channels), squares_.resize(batch * channels);
  }
  const bool is_bfloat16 = x.scalar_type() == ScalarType::BFloat16;
  const int64_t size = is_bfloat16 ? 2 : 4, parts = (pixels + pixels_at_once - 1) / pixels_at_once;
  const char* data = static_cast<const char*>(x.data_ptr());
  const char* origins = static_cast<const char*>(origins_.data_ptr());
  const kernels::GroupNorm& kernel = widest(kernels::group_norm_avx2, kernels::group_norm_avx512);
  std::vector<float> sums(batch * parts * channels), squares(batch * parts * channels);
  torch_stable::parallel_for(0, batch * parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t b = i / parts, from = i % parts * pixels_at_once;
      kernel.channel_sums(data + (b * pixels + from) * channels * size, is_bfloat16,
                          std::min(pixels_at_once, pixels - from), channels, origins + b * channels * size,
                          &sums[i * channels], &squares[i * channels]);
    }
  });
  for (int64_t i = 0; i < batch * parts; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      sums_[i / parts * channels + c] += sums[i * channels + c];
      squares_[i / parts * channels + c] += squares[i * channels + c];
    }
  }
  pixels_ += pixels;
}

// group_norm(x + shift) as x * scale + offset. Channels' sums are put together to groups' mean and variance in double.
ChannelFactors ChannelSums::factors(int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                                    const OptionalTensor& shift) const {
  const int64_t in_group = channels_ / groups;
  const std::vector<float> weights = numbers(weight), biases = numbers(bias), origins = numbers(origins_);
  const std::vector<float> shifts = shift ? numbers(*shift) : std::vector<float>(batch_ * channels_);
  ChannelFactors result{std::vector<float>(batch_ * channels_), std::vector<float>(batch_ * channels_)};
  std::vector<double> means(in_group);
  const double count = static_cast<double>(pixels_);
  for (int64_t first = 0; first < batch_ * channels_; first += in_group) {
    double mean = 0, squared = 0;
    for (int64_t c = 0; c < in_group; ++c) {
      const double sum = sums_[first + c];
      means[c] = double(origins[first + c]) + shifts[first + c] + sum / count;
      mean += means[c] / in_group;
      squared += squares_[first + c] - sum * sum / count;
    }
    for (double channel_mean : means) squared += count * (channel_mean - mean) * (channel_mean - mean);
    const double reciprocal = 1.0 / std::sqrt(std::max(squared, 0.0) / (count * in_group) + eps);
    for (int64_t c = 0; c < in_group; ++c) {
      const int64_t at = first + c, channel = at % channels_;
      result.scale[at] = static_cast<float>(weights[channel] * reciprocal);
      result.offset[at] = static_cast<float>(biases[channel] + (shifts[at] - mean) * weights[channel] * reciprocal);
    }
  }
  return result;
}

Tensor scale_shift_silu(const Tensor& rows, const ChannelFactors& factors) {
  return apply(torch::stable::contiguous(rows, torch::headeronly::MemoryFormat::ChannelsLast), factors, /*silu=*/true);
}

#else

bool ChannelSums::suits(const Tensor&) { return false; }

void ChannelSums::add(const Tensor&) { throw std::logic_error("no kernels in this build"); }

ChannelFactors ChannelSums::factors(int64_t, const Tensor&, const Tensor&, double, const OptionalTensor&) const {
  throw std::logic_error("no kernels in this build");
}

Tensor scale_shift_silu(const Tensor&, const ChannelFactors&) { throw std::logic_error("no kernels in this build"); }

#endif

}  // namespace catvton::ops
