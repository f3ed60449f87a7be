// Linear layers and convolutions on oneDNN with weights packed once, in the layout that its kernels want, and with a
// residual added as they write their result. Inference on the CPU only: autograd does not see these operators.
//
// ATen calls the same kernels, but with plain weights, which are repacked in every call (where maps are small that
// takes longer than the convolution), and for float32 linear layers it calls MKL.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "torch_stable/call.h"

namespace catvton::onednn {

// Whether the processor has no instructions for products in this half type, so that oneDNN takes reference kernels.
bool lacks_instructions(ScalarType dtype);

// Whether these functions compute rightly in this dtype in this process: asked of small problems once. False where torch
// has no oneDNN or the processor lacks what the dtype needs.
bool works(ScalarType dtype);

// True for what pack_linear and pack_conv2d return: shape, dtype and device can be asked of it, nothing else.
bool is_packed(const Tensor& weight);

Tensor pack_linear(const Tensor& weight);  // [out, in]
// weight: [out, in, kernel, kernel]; input: the shape of the maps to come, [B, in, H, W], if it is known.
Tensor pack_conv2d(const Tensor& weight, int64_t stride, int64_t padding, const std::optional<Ints>& input = {});
Tensor unpack(const Tensor& packed);

// x: [..., in] -> [..., out], plus `residual` of that shape.
Tensor linear(const Tensor& x, const Tensor& packed, const OptionalTensor& bias, const OptionalTensor& residual = {});

// A packed weight that can be packed anew while other threads compute with what it was.
class PackedWeight {
 public:
  explicit PackedWeight(Tensor packed) : packed_(std::move(packed)) {}
  Tensor get() const;
  void set(Tensor packed);

 private:
  mutable std::mutex alone_;
  Tensor packed_;
};

// A convolution whose packed weight fits the maps that come. oneDNN chooses the layout by their size and the number of
// threads; a weight in another one is reordered in every call, by a kernel that can take longer than the convolution.
// So without AVX-512 a weight is packed anew for the first maps that come, and again when others have come twice in a
// row. Threads may share it.
class PackedConv2d {
 public:
  PackedConv2d(std::shared_ptr<PackedWeight> weight, int64_t stride, int64_t padding)
      : weight_(std::move(weight)), stride_(stride), padding_(padding) {}

  // x: [B, in, H, W] -> [B, out, H', W'] in channels-last memory, plus `residual` of that shape.
  Tensor operator()(const Tensor& x, const OptionalTensor& bias, const OptionalTensor& residual = {});

 private:
  using Maps = std::pair<Ints, uint32_t>;  // shape, threads
  bool misfit(const Maps& maps);

  const std::shared_ptr<PackedWeight> weight_;
  const int64_t stride_, padding_;
  std::mutex remembering_;
  Maps fits_, last_;
};

}  // namespace catvton::onednn
