// Guidance (sampling/guidance.h) and DDIM's formula (sampling/ddim.h) on a GPU, in float32 whatever the network computes
// in: a thread takes neighbouring numbers of the latents. Torch-free.
#pragma once

#include "ops/gpu/numbers.h"

namespace catvton::sampling::kernels {

using namespace ops::gpu;

struct Factors {
  float guidance, sqrt_alpha, sqrt_beta, sqrt_alpha_prev, direction, sigma;
};

struct GuidedStepArguments {
  const void* estimate;          // [count], or [2, count] where guided, the unconditional half first
  Number number;                 // of the estimate
  const float *sample, *noise;   // [count]; noise: null where sigma is 0
  float *pred_x0, *prev_sample;  // [count]
  int64_t count;
  bool guided;
  Factors factors;
};

template <class T, int width>
struct GuidedStep {
  static constexpr const char* name = "guided_step";
  const T* estimate;
  const float *sample, *noise;
  float *pred_x0, *prev_sample;
  int64_t count;
  bool guided;
  Factors by;

  using Private = Nothing;
  static constexpr int phases = 1;

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float*, Private&) const {
    for (int64_t i = at.index() * width; i < count; i += at.stride() * width) {
      float eps[width], x[width], drawn[width] = {};
      load(estimate + i, eps);
      if (guided) {
        float conditional[width];
        load(estimate + count + i, conditional);
        for (int n = 0; n < width; ++n) eps[n] += by.guidance * (conditional[n] - eps[n]);
      }
      load(sample + i, x);
      if (noise) load(noise + i, drawn);
      for (int n = 0; n < width; ++n) x[n] = (x[n] - by.sqrt_beta * eps[n]) / by.sqrt_alpha;
      store(pred_x0 + i, x);
      for (int n = 0; n < width; ++n) {
        x[n] = by.sqrt_alpha_prev * x[n] + by.direction * eps[n];
        if (noise) x[n] += by.sigma * drawn[n];  // an infinite draw times a sigma of 0 would be no number
      }
      store(prev_sample + i, x);
    }
  }
};

template <class Run>
void guided_step(const Run& run, const GuidedStepArguments& in) {
  for_number(in.number, [&](auto number) {
    using T = decltype(number);
    const T* estimate = static_cast<const T*>(in.estimate);
    const bool fit = fits_packs<float>(in.count, estimate, in.sample, in.noise, in.pred_x0, in.prev_sample);
    for_width<float>(fit, [&](auto width) {
      constexpr int numbers = decltype(width)::value;
      run(GuidedStep<T, numbers>{estimate, in.sample, in.noise, in.pred_x0, in.prev_sample, in.count, in.guided,
                                 in.factors},
          one_thread_each(in.count / numbers));
    });
  });
}

void guided_step_cuda(const GuidedStepArguments& in, void* stream);  // guided_step.cu

}  // namespace catvton::sampling::kernels
