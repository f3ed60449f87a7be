#include "tryon/unet_input.h"

#include "ops/gpu/choice.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"
#include "tryon/unet_input_gpu.h"

namespace catvton::tryon {
namespace {

Tensor by_aten(const InputParts& parts, const InputForm& form) {
  auto joined = [&](const Tensor& person, const Tensor& garment) {
    return ops::cat({person, garment}, parts.joined_dim);
  };
  auto stacked = [&](const Tensor& garment) {
    const Tensor condition = joined(parts.person, garment);
    if (!parts.mask) return ops::cat({parts.latents, condition}, 1);
    return ops::cat({parts.latents, joined(*parts.mask, ops::zeros_like(*parts.mask)), condition}, 1);
  };
  const Tensor conditional = stacked(parts.garment);
  const Tensor input = form.guided ? ops::cat({stacked(ops::zeros_like(parts.garment)), conditional}, 0) : conditional;
  const Tensor converted = ops::to(input, form.dtype);
  return form.channels_last ? ops::contiguous(converted, torch::headeronly::MemoryFormat::ChannelsLast) : converted;
}

Tensor by_gpu(const InputParts& parts, const InputForm& form) {
  const Tensor latents = ops::contiguous(parts.latents), person = ops::contiguous(parts.person);
  const Tensor garment = ops::contiguous(parts.garment);
  const Tensor mask = parts.mask ? ops::contiguous(*parts.mask) : person;
  const int64_t batch = person.size(0), channels = person.size(1), branches = form.guided ? 2 : 1;
  const int64_t all = 2 * channels + (parts.mask ? 1 : 0), height = latents.size(2), width = latents.size(3);
  const Ints shape =
      form.channels_last ? Ints{branches * batch, height, width, all} : Ints{branches * batch, all, height, width};
  const Tensor input = torch::stable::empty(shape, form.dtype, std::nullopt, latents.device());
  const kernels::UNetInputArguments arguments{latents.const_data_ptr<float>(),
                                              person.const_data_ptr<float>(),
                                              garment.const_data_ptr<float>(),
                                              parts.mask ? mask.const_data_ptr<float>() : nullptr,
                                              input.data_ptr(),
                                              ops::gpu::number_of(form.dtype),
                                              branches,
                                              batch,
                                              channels,
                                              person.size(2),
                                              person.size(3),
                                              parts.joined_dim == 3,
                                              form.channels_last};
  ops::gpu::run(latents, arguments, CATVTON_CUDA_KERNEL(kernels::unet_input_cuda),
                [](const kernels::UNetInputArguments& in) { kernels::unet_input(ops::gpu::Emulate{}, in); });
  return form.channels_last ? ops::permute(input, {0, 3, 1, 2}) : input;
}

// Latents of both joins, person, garment and mask: with mask and guidance joined in height, without in width. `exact`: the
// parts are float32 always.
template <Tensor (*function)(const InputParts&, const InputForm&), bool exact>
Tensor checked(const std::vector<Tensor>& in) {
  const ScalarType dtype = in[0].scalar_type();
  std::vector<Tensor> parts, results;
  for (const Tensor& t : in) parts.push_back(exact ? ops::to(t, ScalarType::Float) : t);
  const OptionalTensor mask = parts[4], none;
  for (const bool channels_last : {false, true}) {
    const Tensor masked = function({parts[0], parts[2], parts[3], mask, 2}, {true, dtype, channels_last});
    const Tensor mask_free = function({parts[1], parts[2], parts[3], none, 3}, {false, dtype, channels_last});
    results.push_back(ops::reshape(masked, {-1}));
    results.push_back(ops::reshape(mask_free, {-1}));
  }
  return ops::cat(results, 0);
}

const ops::SelfCheck gpu_check{"unet_input",
                               "cuda",
                               {{2, 4, 10, 3}, {2, 4, 5, 6}, {2, 4, 5, 3}, {2, 4, 5, 3}, {2, 1, 5, 3}},
                               &checked<&by_gpu, true>,
                               &checked<&by_aten, false>};

const ops::Registration registration("unet_input", [](const Tensor& like) -> std::string {
  return ops::gpu::suits(like) ? ops::verdict(gpu_check, like, "aten::cat") : "aten::cat";
});

bool all_float32(const InputParts& parts) {
  for (const Tensor* t : {&parts.latents, &parts.person, &parts.garment}) {
    if (t->scalar_type() != ScalarType::Float) return false;
  }
  return !parts.mask || parts.mask->scalar_type() == ScalarType::Float;
}

}  // namespace

Tensor unet_input(const InputParts& parts, const InputForm& form) {
  Ints shape = shape_of(parts.person), joined = shape;
  joined.at(parts.joined_dim) *= 2;
  check_shape("garment's latents", parts.garment, shape);
  check_shape("latents", parts.latents, joined);
  if (parts.mask) check_shape("mask at latent size", *parts.mask, {shape[0], 1, shape[2], shape[3]});
  const Tensor like = torch::stable::empty(Ints{0}, form.dtype, std::nullopt, parts.latents.device());
  if (ops::gpu::suits(like) && all_float32(parts) && parts.latents.numel() > 0 && ops::trusted(gpu_check, like)) {
    return by_gpu(parts, form);
  }
  return by_aten(parts, form);
}

}  // namespace catvton::tryon
