#include "ops/winograd/winograd.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "ops/cpu.h"
#include "ops/products.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "ops/winograd/kernels.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"
#include "torch_stable/tensor.h"

namespace catvton::ops::winograd {
namespace {

constexpr const char* kDirect = "ATen";

Tensor as_pixels(const Tensor& map) {
  return contiguous(permute(map, Ints{0, 2, 3, 1}));
}  // [B, C, H, W] -> [B, H, W, C]
Tensor as_map(const Tensor& pixels) { return permute(pixels, Ints{0, 3, 1, 2}); }  // and back

// Weights from [out, in, 3, 3] to what is kept (kernels.h), or back.
template <class Number>
void reorder(const Kernel& kernel, const Ints& shape, const Tensor& from, const Tensor& into, bool back) {
  const auto* source = static_cast<const Number*>(from.const_data_ptr());
  auto* target = static_cast<Number*>(into.mutable_data_ptr());
  const int64_t in = shape[1], lanes = kernel.out_block, pair = kernel.pair;
  auto reorder_channel = [=](int64_t out, int64_t channel) {
    const int64_t word = (out / lanes * in + channel) / pair * kTaps;
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      const int64_t plain = (out * in + channel) * kTaps + tap;
      const int64_t kept = ((word + tap) * lanes + out % lanes) * pair + channel % pair;
      target[back ? plain : kept] = source[back ? kept : plain];
    }
  };
  torch_stable::parallel_for(0, shape[0] / lanes, 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      for (int64_t some = 0; some < in; some += kernel.in_block) {  // what the cache holds of the order to come
        for (int64_t out = block * lanes; out < (block + 1) * lanes; ++out) {
          for (int64_t channel = some; channel < some + kernel.in_block; ++channel) reorder_channel(out, channel);
        }
      }
    }
  });
}

Tensor reordered(const Kernel& kernel, const Ints& shape, const Tensor& from, bool back) {
  const Tensor plain = contiguous(from), made = torch::stable::empty_like(plain);
  (from.scalar_type() == ScalarType::Float ? reorder<uint32_t> : reorder<uint16_t>)(kernel, shape, plain, made, back);
  return made;
}

// body(range, scratch) for ranges that cover [0, count), one a thread, with scratch memory of its own.
template <class Body>
void in_parallel(int64_t count, int64_t scratch_bytes, const Body& body) {
  const int64_t parts = std::min<int64_t>(count, torch::stable::get_num_threads());
  const int64_t each = (scratch_bytes + 63) / 64 * 64;
  const Tensor scratch = torch::stable::empty({parts * each}, ScalarType::Byte);
  auto* memory = static_cast<char*>(scratch.data_ptr());
  torch_stable::parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) body(Range{count * i / parts, count * (i + 1) / parts}, memory + i * each);
  });
}

Tensor compute(const Tensor& x, const Weight& weight, const Tensor& bias, const OptionalTensor& residual,
               const Form& form) {
  const Routines& routines = weight.kernel->routines(form);
  const int64_t out_block = weight.kernel->out_block, pair = weight.kernel->pair;
  const int64_t out = weight.shape[0], in = weight.shape[1];
  const Tensor pixels = as_pixels(x), added = residual ? as_pixels(*residual) : pixels;
  Problem problem{pixels.data_ptr(),
                  bias.data_ptr(),
                  residual ? added.data_ptr() : nullptr,
                  nullptr,
                  weight.kept.data_ptr(),
                  nullptr,
                  x.size(0),
                  x.size(2),
                  x.size(3),
                  in,
                  out,
                  form};
  const Tensor result = empty({problem.batch, problem.result_height(), problem.result_width(), out}, x);
  problem.result = result.data_ptr();
  const int64_t blocks = out / out_block, tiles = problem.tiles();
  const int64_t threads = torch::stable::get_num_threads();
  // Where transformed weights would be more than all threads' transformed maps, threads share the output channels, and each
  // transforms the weights of its own, block after block.
  if (threads * tiles <= out) {
    in_parallel(blocks, routines.scratch_bytes(in, tiles),
                [&](Range some, void* scratch) { routines.run(problem, {0, tiles}, some, scratch); });
    return as_map(result);
  }
  const Tensor transformed = torch::stable::empty({form.points * out * in / pair}, ScalarType::Float);
  auto* words = static_cast<float*>(transformed.data_ptr());
  problem.transformed = words;
  torch_stable::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    const int64_t before = first * form.points * in / pair * out_block;
    routines.transform(problem.kept, in, words + before, {first, last});
  });
  const int64_t at_once = std::min(routines.tiles_at_once, (tiles + threads - 1) / threads);
  in_parallel((tiles + at_once - 1) / at_once, routines.scratch_bytes(in, at_once), [&](Range some, void* scratch) {
    for (int64_t i = some.first; i < some.last; ++i) {
      routines.run(problem, {i * at_once, std::min(tiles, (i + 1) * at_once)}, {0, blocks}, scratch);
    }
  });
  return as_map(result);
}

#ifdef CATVTON_X86_KERNELS
Tensor numbers_of(const Tensor& same_size, const Tensor& upsampled) {
  return cat({reshape(same_size, {same_size.numel()}), reshape(upsampled, {upsampled.numel()})}, 0);
}

// x, weight, bias, residual: both forms' results
Tensor reference(const std::vector<Tensor>& t) {
  const Tensor enlarged = resize_nearest(t[0], 2 * t[0].size(2), 2 * t[0].size(3));
  return numbers_of(add(ops::conv2d(t[0], t[1], t[2], 1, 1), t[3]), ops::conv2d(enlarged, t[1], t[2], 1, 1));
}

Weight packed_for(const Kernel& kernel, const Tensor& weight) {
  return {reordered(kernel, shape_of(weight), weight, false), shape_of(weight), &kernel};
}

template <const Kernel& kernel>
Tensor checked(const std::vector<Tensor>& t) {
  const Weight weight = packed_for(kernel, t[1]);
  return numbers_of(compute(t[0], weight, t[2], t[3], same_size), compute(t[0], weight, t[2], {}, upsampled));
}

struct Own {
  const Kernel& kernel;
  SelfCheck check;
};

// Ragged in rows, columns and tiles at once.
template <const Kernel& kernel>
Own own_of(const char* implementation) {
  return {kernel,
          {"winograd_conv2d",
           implementation,
           {{2, 64, 7, 9}, {64, 64, 3, 3}, {64}, {2, 64, 7, 9}},
           &checked<kernel>,
           &reference}};
}

// CATVTON_WINOGRAD=0 in the environment.
bool turned_off() {
  const char* value = std::getenv("CATVTON_WINOGRAD");
  return value && std::string(value) == "0";
}

// The kernel for a dtype on this CPU, or null. AMX multiplies bfloat16 faster than this saves products.
const Own* own(const Tensor& like) {
  static const Own avx2 = own_of<avx2_float32>("avx2"), avx512 = own_of<avx512_float32>("avx512");
  static const Own avx2_wide = own_of<avx2_wide_bfloat16>("avx2 in float32");
  static const Own avx512_wide = own_of<avx512_wide_bfloat16>("avx512 in float32");
  static const Own avx512_bf16 = own_of<avx512_bfloat16>("avx512_bf16");
  static const bool has_amx = __builtin_cpu_supports("amx-bf16"), off = turned_off();
  const CpuLevel level = cpu_level();
  if (!like.is_cpu() || off || level < CpuLevel::avx2) return nullptr;
  const bool wide = level >= CpuLevel::avx512;
  switch (like.scalar_type()) {
    case ScalarType::Float:
      return wide ? &avx512 : &avx2;
    case ScalarType::BFloat16:
      if (has_amx) return nullptr;
      return level >= CpuLevel::avx512_bf16 ? &avx512_bf16 : wide ? &avx512_wide : &avx2_wide;
    default:
      return nullptr;
  }
}

const Kernel* kernel_for(const Tensor& like) {
  const Own* found = own(like);
  return found && trusted(found->check, like) ? &found->kernel : nullptr;
}

std::string implementation(const Tensor& like) {
  const Own* found = own(like);
  return found ? verdict(found->check, like, kDirect) : kDirect;
}
#else
Weight packed_for(const Kernel&, const Tensor&) { return {}; }
const Kernel* kernel_for(const Tensor&) { return nullptr; }
std::string implementation(const Tensor&) { return kDirect; }
#endif

const Registration registration("winograd_conv2d", &implementation);

}  // namespace

std::optional<Weight> pack(const Tensor& weight) {
  const Kernel* kernel = weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 ? kernel_for(weight) : nullptr;
  if (!kernel || weight.size(0) % kernel->out_block != 0 || weight.size(1) % kernel->in_block != 0) return {};
  return packed_for(*kernel, weight);
}

Tensor unpack(const Weight& weight) { return reordered(*weight.kernel, weight.shape, weight.kept, true); }

Tensor conv2d(const Tensor& x, const Weight& weight, const Tensor& bias, const OptionalTensor& residual) {
  check_shape("input of a convolution", x, {-1, weight.shape[1], -1, -1});
  if (kernel_for(x) == weight.kernel) return compute(x, weight, bias, residual, same_size);
  const Tensor direct = products::conv2d(x, unpack(weight), bias, 1, {1, 1});  // the CPU's level was changed since
  return residual ? add(direct, *residual) : direct;
}

Tensor upsample_conv2d(const Tensor& x, const Weight& weight, const Tensor& bias) {
  check_shape("input of a convolution", x, {-1, weight.shape[1], -1, -1});
  if (kernel_for(x) == weight.kernel) return compute(x, weight, bias, {}, upsampled);
  return conv2d(resize_nearest(x, 2 * x.size(2), 2 * x.size(3)), weight, bias);
}

}  // namespace catvton::ops::winograd
