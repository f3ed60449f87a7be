// Named weights with strict accounting: what a model asks for and does not find, or never asks for, is reported at
// once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "ops/winograd/winograd.h"
#include "torch_stable/call.h"
#include "torch_stable/onednn.h"
#include "torch_stable/onednn_int8.h"

namespace catvton::weights {

using Tensors = std::map<std::string, Tensor>;

// Whether ops/winograd may compute a layer, and is then preferred.
enum class Winograd { no, where_bits_may_be_lost, yes };

// How a layer wants its weight: in the layout that its kernels compute with, exact, or rounded to eight bits as well.
struct Pack {
  std::function<Tensor(const Tensor&)> exact;
  std::function<onednn::int8::Weight(const Tensor&)> int8;
  Winograd winograd = Winograd::no;
};

enum class Packing { none, exact, int8 };

// What was taken: one of these.
struct Weight {
  Tensor plain{};
  std::shared_ptr<onednn::PackedWeight> packed{};
  std::shared_ptr<const ops::winograd::Weight> winograd{};
  std::shared_ptr<const onednn::int8::Weight> int8{};
  Tensor tensor() const { return packed ? packed->get() : plain; }  // undefined for winograd and int8
};

struct PackedParameter {
  std::function<Tensor()> plain;  // writes it out anew
  int64_t bytes;
};
using PackedParameters = std::map<std::string, PackedParameter>;

class StateDict {
 public:
  // The tensor of that name, from wherever it is.
  using Read = std::function<Tensor(const std::string& name)>;

  // Each weight is read when it is taken. One that can be packed is, at once: where nobody else holds it, one weight at a
  // time is in memory plain. For inference: packed weights cannot be trained. int8 where it does not work
  // (torch_stable/onednn_int8.h) throws std::invalid_argument.
  StateDict(std::set<std::string> names, Read read, Packing packing = Packing::none);
  explicit StateDict(Tensors tensors, Packing packing = Packing::none);

  // A state that hands out an uninitialised tensor of whatever shape is asked for: a model's names and shapes, or a
  // model on the `meta` device, without any file.
  static StateDict blank(ScalarType dtype, const Device& device);

  // The tensor `name` of the given shape. A missing or unfit one is noted and an empty tensor returned, so that a
  // single load reports everything that is wrong.
  Tensor take(const std::string& name, const Ints& shape);
  // The same, packed where this state packs; keep_bits: see Scope::keeping_bits().
  Weight take(const std::string& name, const Ints& shape, const Pack& pack, bool keep_bits);

  // Throws std::invalid_argument listing missing, unfit and unused names; returns if there are none.
  void check_all_used() const;

  // What take() has handed out, by name: plain, and packed.
  const Tensors& taken() const { return taken_; }
  const PackedParameters& packed() const { return packed_; }
  Packing packing() const { return packing_; }

 private:
  StateDict() = default;
  void packed_as(const std::string& name, PackedParameter parameter);
  std::string unfit(const Tensor& tensor, const Ints& shape) const;

  std::set<std::string> unused_;
  Read read_;
  Tensors taken_;
  PackedParameters packed_;
  Packing packing_ = Packing::none;
  std::optional<std::pair<ScalarType, Device>> blank_;
  std::string problems_;
};

// A dotted prefix in a StateDict: (scope / "attn1").take("to_q.weight", {...}).
class Scope {
 public:
  // `label` names the model in taps and messages: "unet".
  Scope(StateDict& state, std::string label) : Scope(state, "", std::move(label), false) {}

  Scope operator/(const std::string& name) const {
    return {*state_, prefix_ + name + ".", label_ + "." + name, keeps_bits_};
  }
  Scope operator/(size_t index) const { return *this / std::to_string(index); }
  // The same place, where nothing is rounded that need not be, neither to int8 nor, in half types, by ops/winograd: for
  // layers whose errors would show, or that are too small to matter.
  Scope keeping_bits() const { return {*state_, prefix_, label_, true}; }
  Tensor take(const std::string& name, const Ints& shape) const { return state_->take(prefix_ + name, shape); }
  Weight take(const std::string& name, const Ints& shape, const Pack& pack) const {
    return state_->take(prefix_ + name, shape, pack, keeps_bits_);
  }
  const std::string& label() const { return label_; }  // "unet.down_blocks.0.attentions.1"

 private:
  Scope(StateDict& state, std::string prefix, std::string label, bool keeps_bits)
      : state_(&state), prefix_(std::move(prefix)), label_(std::move(label)), keeps_bits_(keeps_bits) {}

  StateDict* state_;
  std::string prefix_, label_;
  bool keeps_bits_;
};

}  // namespace catvton::weights
