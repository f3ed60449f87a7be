#include "sampling/guided_step.h"

#include "ops/gpu/choice.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "sampling/guidance.h"
#include "sampling/guided_step_gpu.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::sampling {
namespace {

Stepped by_aten(const DDIMStep& step, const Tensor& estimate, double guidance, const Tensor& sample,
                const OptionalTensor& noise) {
  const Tensor eps = guide_where_guided(ops::to(estimate, sample.scalar_type()), guidance);
  const Tensor x0 = step.pred_x0(eps, sample);
  return {x0, step.prev_sample(eps, x0, noise)};
}

Stepped by_gpu(const DDIMStep& step, const Tensor& given, double guidance, const Tensor& sample,
               const OptionalTensor& noise) {
  const Tensor estimate = ops::contiguous(given);
  const bool noisy = step.sigma > 0;
  const Tensor drawn = noisy ? ops::contiguous(noise.value()) : sample;
  const Stepped next{torch::stable::empty_like(sample), torch::stable::empty_like(sample)};
  const kernels::GuidedStepArguments arguments{estimate.data_ptr(),
                                               ops::gpu::number_of(estimate.scalar_type()),
                                               sample.const_data_ptr<float>(),
                                               noisy ? drawn.const_data_ptr<float>() : nullptr,
                                               next.pred_x0.mutable_data_ptr<float>(),
                                               next.prev_sample.mutable_data_ptr<float>(),
                                               sample.numel(),
                                               guided(guidance),
                                               {static_cast<float>(guidance), step.sqrt_alpha, step.sqrt_beta,
                                                step.sqrt_alpha_prev, step.direction, step.sigma}};
  ops::gpu::run(estimate, arguments, CATVTON_CUDA_KERNEL(kernels::guided_step_cuda),
                [](const kernels::GuidedStepArguments& in) { kernels::guided_step(ops::gpu::Emulate{}, in); });
  return next;
}

// Problems of estimate, sample and noise, each guided, and its first half without guidance. `exact`: sample and noise are
// float32 always.
template <Stepped (*function)(const DDIMStep&, const Tensor&, double, const Tensor&, const OptionalTensor&), bool exact>
Tensor checked(const std::vector<Tensor>& in) {
  const DDIMStep step{.timestep = 500,
                      .sqrt_alpha = 0.53f,
                      .sqrt_beta = 0.85f,
                      .sqrt_alpha_prev = 0.55f,
                      .direction = 0.8f,
                      .sigma = 0.2f};
  std::vector<Tensor> results;
  for (size_t i = 0; i < in.size(); i += 3) {
    auto alike = [&](const Tensor& t) { return exact ? ops::to(t, ScalarType::Float) : t; };
    const Tensor sample = alike(in[i + 1]);
    for (const bool guided : {true, false}) {
      const Tensor estimate = guided ? in[i] : ops::narrow(in[i], 0, 0, sample.size(0));
      const Stepped next = function(step, estimate, guided ? 2.5 : 1.0, sample, alike(in[i + 2]));
      for (const Tensor& t : {next.pred_x0, next.prev_sample}) {
        results.push_back(ops::to(ops::reshape(t, {-1}), in[i].scalar_type()));
      }
    }
  }
  return ops::cat(results, 0);
}

// Numbers that divide into packs, and such that do not.
const ops::SelfCheck gpu_check{"guided_step",
                               "cuda",
                               {{4, 4, 6, 5}, {2, 4, 6, 5}, {2, 4, 6, 5}, {2, 3, 5, 7}, {1, 3, 5, 7}, {1, 3, 5, 7}},
                               &checked<&by_gpu, true>,
                               &checked<&by_aten, false>};

const ops::Registration registration("guided_step", [](const Tensor& like) -> std::string {
  return ops::gpu::suits(like) ? ops::verdict(gpu_check, like, "aten::mul") : "aten::mul";
});

}  // namespace

Stepped guided_step(const DDIMStep& step, const Tensor& estimate, double guidance, const Tensor& sample,
                    const OptionalTensor& noise) {
  Ints expected = shape_of(sample);
  if (!expected.empty() && guided(guidance)) expected[0] *= 2;
  check_shape("noise estimate", estimate, expected);
  if (noise) check_shape("noise", *noise, shape_of(sample));
  if (ops::gpu::suits(estimate) && sample.scalar_type() == ScalarType::Float && sample.is_contiguous() &&
      sample.numel() > 0 && (!noise || noise->scalar_type() == ScalarType::Float) &&
      ops::trusted(gpu_check, estimate)) {
    return by_gpu(step, estimate, guidance, sample, noise);
  }
  return by_aten(step, estimate, guidance, sample, noise);
}

}  // namespace catvton::sampling
