#include "weights/state_dict.h"

#include <stdexcept>

#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::weights {
namespace {

bool wants_winograd(Winograd may, ScalarType dtype, bool keep_bits, bool to_int8) {
  const bool in_float = dtype == ScalarType::Float;
  switch (may) {
    case Winograd::no:
      return false;
    case Winograd::where_bits_may_be_lost:
      return !to_int8 && (in_float || !keep_bits);
    case Winograd::yes:  // upsampling's 9 products take less time in bfloat16 than 36 in int8, and no less in float32
      return !to_int8 || !in_float;
  }
  return false;
}

}  // namespace

StateDict StateDict::blank(ScalarType dtype, const Device& device) {
  StateDict state;
  state.blank_ = {dtype, device};
  return state;
}

StateDict::StateDict(std::set<std::string> names, Read read, Packing packing)
    : unused_(std::move(names)), read_(std::move(read)), packing_(packing) {
  if (packing == Packing::int8 && !onednn::int8::works()) {
    throw std::invalid_argument(
        "int8 weights need products of eight-bit integers that compute rightly: a CPU with VNNI (AVX512-VNNI or "
        "AVX-VNNI) and torch with oneDNN, which are not here; load the model without weights_dtype");
  }
}

StateDict::StateDict(Tensors tensors, Packing packing) : StateDict({}, {}, packing) {
  for (const auto& [name, tensor] : tensors) unused_.insert(name);
  read_ = [tensors = std::move(tensors)](const std::string& name) { return tensors.at(name); };
}

std::string StateDict::unfit(const Tensor& tensor, const Ints& shape) const {
  if (Ints got = shape_of(tensor); got != shape) return "expected " + to_text(shape) + ", got " + to_text(got);
  const ScalarType dtype = tensor.scalar_type();
  if (dtype != ScalarType::Float && dtype != ScalarType::Half && dtype != ScalarType::BFloat16 &&
      dtype != ScalarType::Double) {
    return "expected float32, bfloat16 or float16, got " + to_text(dtype);
  }
  if (taken_.empty()) return "";
  const auto& [first_name, first] = *taken_.begin();
  if (dtype != first.scalar_type() || tensor.device() != first.device()) {
    return "expected " + to_text(first.scalar_type()) + " on " + to_text(first.device()) + " like " + first_name +
           ", got " + to_text(dtype) + " on " + to_text(tensor.device());
  }
  return "";
}

Tensor StateDict::take(const std::string& name, const Ints& shape) {
  if (blank_) {
    const auto& [dtype, device] = *blank_;
    return taken_[name] = torch::stable::empty(shape, dtype, std::nullopt, device);
  }
  if (unused_.erase(name) == 0) {
    problems_ += "\n  missing " + name + " " + to_text(shape);
    return {};
  }
  Tensor tensor = read_(name);
  if (std::string problem = unfit(tensor, shape); !problem.empty()) {
    problems_ += "\n  " + name + ": " + problem;
    return {};
  }
  return taken_[name] = tensor;
}

Weight StateDict::take(const std::string& name, const Ints& shape, const Pack& pack, bool keep_bits) {
  Tensor plain = take(name, shape);
  if (packing_ == Packing::none || !problems_.empty() || plain.device().type() != torch::headeronly::DeviceType::CPU) {
    return {plain};
  }
  const bool to_int8 = packing_ == Packing::int8 && !keep_bits;
  const bool by_winograd = wants_winograd(pack.winograd, plain.scalar_type(), keep_bits, to_int8);
  const int64_t bytes = plain.numel() * static_cast<int64_t>(plain.element_size());
  if (auto made = by_winograd ? ops::winograd::pack(plain) : std::nullopt) {
    auto winograd = std::make_shared<const ops::winograd::Weight>(*std::move(made));
    packed_as(name, {[=] { return ops::winograd::unpack(*winograd); }, bytes});
    return {.winograd = winograd};
  }
  if (to_int8) {
    auto int8 = std::make_shared<const onednn::int8::Weight>(pack.int8(plain));
    packed_as(name, {[=] { return onednn::int8::unpack(*int8); }, plain.numel() + 4 * shape.front()});
    return {.int8 = int8};
  }
  if (!onednn::works(plain.scalar_type())) return {plain};
  auto packed = std::make_shared<onednn::PackedWeight>(pack.exact(plain));
  packed_as(name, {[=] { return ops::reshape(onednn::unpack(packed->get()), shape); }, bytes});
  return {.packed = packed};
}

void StateDict::packed_as(const std::string& name, PackedParameter parameter) {
  packed_[name] = std::move(parameter);
  taken_.erase(name);
}

void StateDict::check_all_used() const {
  std::string problems = problems_;
  for (const std::string& name : unused_) problems += "\n  unexpected " + name + " " + to_text(shape_of(read_(name)));
  if (!problems.empty()) throw std::invalid_argument("weights do not fit the model:" + problems);
}

}  // namespace catvton::weights
