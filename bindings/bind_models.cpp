#include "bindings.h"
#include "interruptible.h"
#include "loaded.h"
#include "models/unet/streamed_unet.h"
#include "models/unet/unet.h"
#include "models/vae/vae.h"
#include "nn/tap.h"
#include "tensor_caster.h"
#include "torch_stable/free_memory.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace py = pybind11;

namespace catvton::bindings {

// Name -> tensor. Where weights are packed, each is taken out when its turn comes, so that a mapping which reads a file
// need not have read the others.
struct State : py::object {
  PYBIND11_OBJECT(State, py::object, PyMapping_Check)
};

}  // namespace catvton::bindings

template <>
struct pybind11::detail::handle_type_name<catvton::bindings::State> {
  static constexpr auto name = const_name("collections.abc.MutableMapping[str, torch.Tensor]");
};

namespace catvton::bindings {
namespace {

template <class Model, class Config>
Loaded<Model> load(weights::StateDict& state, const Config& config, const char* label) {
  Model model(weights::Scope(state, label), config);
  state.check_all_used();
  return {std::move(model), state.taken(), state.packed(), state.packing()};
}

template <class Model, class Config>
Loaded<Model> load(const State& state, const Config& config, const char* label, weights::Packing packing) {
  const bool packs = packing != weights::Packing::none;
  auto names = py::cast<std::set<std::string>>(py::set(state));
  auto read = py::cast<weights::StateDict::Read>(state.attr(packs ? "pop" : "__getitem__"));
  weights::StateDict dict(std::move(names), std::move(read), packing);
  py::gil_scoped_release no_gil;
  auto loaded = load<Model>(dict, config, label);
  if (packs) torch_stable::give_back_free_memory();  // holes between what was packed
  return loaded;
}

// Plain weights by name: packed ones are written out anew.
template <class Model>
weights::Tensors plain(const Loaded<Model>& loaded) {
  weights::Tensors parameters = loaded.parameters;
  for (const auto& [name, parameter] : loaded.packed) {
    parameters[name] = parameter.plain();
  }
  return parameters;
}

using UNetClass = py::class_<Loaded<models::UNet>, std::shared_ptr<Loaded<models::UNet>>>;

// UNet's forward in pieces, in the order of their use: what training needs to recompute one block at a time.
void bind_unet_stages(UNetClass& unet) {
  using UNet = Loaded<models::UNet>;
  using Tensors = std::vector<Tensor>;
  unet.def(
      "stage_in",
      [](const UNet& self, const Tensor& sample, const Tensor& timesteps) {
        py::gil_scoped_release no_gil;
        return self.model.stage_in(sample, timesteps);
      },
      py::arg("sample"), py::arg("timesteps"), "-> hidden state, activated time embedding");
  unet.def(
      "stage_down",
      [](const UNet& self, size_t index, const Tensor& h, const Tensor& activated_time) {
        py::gil_scoped_release no_gil;
        Tensors skips;
        Tensor out = self.model.down_blocks.at(index)(h, activated_time, skips);
        return std::make_pair(out, skips);
      },
      py::arg("index"), py::arg("h"), py::arg("activated_time"), "-> hidden state, the block's skips");
  unet.def(
      "stage_mid",
      [](const UNet& self, const Tensor& h, const Tensor& activated_time) {
        py::gil_scoped_release no_gil;
        return self.model.mid_block(h, activated_time);
      },
      py::arg("h"), py::arg("activated_time"));
  unet.def(
      "stage_up",
      [](const UNet& self, size_t index, const Tensor& h, const Tensor& activated_time, Tensors skips) {
        py::gil_scoped_release no_gil;
        return self.model.up_blocks.at(index)(h, activated_time, skips);
      },
      py::arg("index"), py::arg("h"), py::arg("activated_time"), py::arg("skips"),
      "skips: all that are left, as the last one not used tells the next block's size.");
  unet.def(
      "stage_out",
      [](const UNet& self, const Tensor& h) {
        py::gil_scoped_release no_gil;
        return self.model.stage_out(h);
      },
      py::arg("h"));
}

}  // namespace

// What UNet and VAE have in common: made from a state dict or blank, their parameters by name, their shapes alone.
template <class Model, class Config>
auto bind_model(py::module_& m, const char* name, const char* label) {
  return py::class_<Loaded<Model>, std::shared_ptr<Loaded<Model>>>(m, name)
      .def(py::init([label](State state, const Config& config, bool pack) {
             return load<Model>(state, config, label, pack ? weights::Packing::exact : weights::Packing::none);
           }),
           py::arg("state"), py::arg("config"), py::arg("pack") = false,
           "pack: for inference alone. On a CPU, weights are then kept in the layout that its kernels want, where it\n"
           "has such, and taken out of `state`, one after the other: plain and packed weights need not both fit in "
           "memory.")
      .def_static(
          "blank",
          [label](const Config& config, const Tensor& like) {
            auto dict = weights::StateDict::blank(like.scalar_type(), like.device());
            return load<Model>(dict, config, label);
          },
          py::arg("config"), py::arg("like"), "Uninitialised, in the dtype and on the device of `like`.")
      .def_static(
          "shapes",
          [label](const Config& config) {
            auto dict = weights::StateDict::blank(ScalarType::Float, Device(torch::headeronly::DeviceType::Meta));
            std::map<std::string, Ints> shapes;
            for (const auto& [key, tensor] : load<Model>(dict, config, label).parameters)
              shapes[key] = shape_of(tensor);
            return shapes;
          },
          py::arg("config"), "Name and shape of every weight that the model needs.")
      .def_property_readonly("config", [](const Loaded<Model>& self) { return self.model.config; })
      .def_property_readonly("parameters", &plain<Model>, "Weights by name. A packed model writes them out anew.")
      .def_property_readonly("packed", [](const Loaded<Model>& self) { return !self.packed.empty(); })
      .def_property_readonly(
          "weight_bytes",
          [](const Loaded<Model>& self) {
            int64_t bytes = 0;
            auto add = [&](const Tensor& tensor) { bytes += tensor.numel() * tensor.element_size(); };
            for (const auto& [name, tensor] : self.parameters) add(tensor);
            for (const auto& [name, parameter] : self.packed) bytes += parameter.bytes;
            return bytes;
          },
          "Of all weights, as they are kept.")
      .def_property_readonly(
          "like",
          [](const Loaded<Model>& self) {
            const Tensor& any = self.parameters.begin()->second;
            return torch::stable::empty(Ints{0}, any.scalar_type(), std::nullopt, any.device());
          },
          "An empty tensor of the weights' dtype on their device.");
}

void bind_models(py::module_& m) {
  using models::UNetConfig;
  using models::VAEConfig;
  py::class_<UNetConfig>(m, "UNetConfig")
      .def(py::init<>())
      .def_static("infer", &UNetConfig::infer, py::arg("shapes"))
      .def("check", &UNetConfig::check)
      .def_property_readonly("self_attentions", &models::self_attentions)
      .def_readwrite("in_channels", &UNetConfig::in_channels)
      .def_readwrite("out_channels", &UNetConfig::out_channels)
      .def_readwrite("block_out_channels", &UNetConfig::block_out_channels)
      .def_readwrite("down_block_attention", &UNetConfig::down_block_attention)
      .def_readwrite("up_block_attention", &UNetConfig::up_block_attention)
      .def_readwrite("mid_block_attention", &UNetConfig::mid_block_attention)
      .def_readwrite("layers_per_block", &UNetConfig::layers_per_block)
      .def_readwrite("attention_heads", &UNetConfig::attention_heads)
      .def_readwrite("transformer_layers_per_block", &UNetConfig::transformer_layers_per_block)
      .def_readwrite("norm_num_groups", &UNetConfig::norm_num_groups)
      .def_readwrite("norm_eps", &UNetConfig::norm_eps)
      .def_readwrite("use_linear_projection", &UNetConfig::use_linear_projection)
      .def_readwrite("flip_sin_to_cos", &UNetConfig::flip_sin_to_cos)
      .def_readwrite("freq_shift", &UNetConfig::freq_shift);
  py::class_<VAEConfig>(m, "VAEConfig")
      .def(py::init<>())
      .def_static("infer", &VAEConfig::infer, py::arg("shapes"))
      .def("check", &VAEConfig::check)
      .def_property_readonly("downscale", &VAEConfig::downscale)
      .def_readwrite("in_channels", &VAEConfig::in_channels)
      .def_readwrite("out_channels", &VAEConfig::out_channels)
      .def_readwrite("latent_channels", &VAEConfig::latent_channels)
      .def_readwrite("block_out_channels", &VAEConfig::block_out_channels)
      .def_readwrite("layers_per_block", &VAEConfig::layers_per_block)
      .def_readwrite("norm_num_groups", &VAEConfig::norm_num_groups)
      .def_readwrite("scaling_factor", &VAEConfig::scaling_factor)
      .def_readwrite("mid_block_add_attention", &VAEConfig::mid_block_add_attention)
      .def_readwrite("use_quant_conv", &VAEConfig::use_quant_conv)
      .def_readwrite("use_post_quant_conv", &VAEConfig::use_post_quant_conv);

  const char* in_taps = "layer.unet";
  auto unet = bind_model<models::UNet, UNetConfig>(m, "UNet", in_taps);
  unet.def_static(
      "int8",
      [in_taps](State state, const UNetConfig& config) {
        return load<models::UNet>(state, config, in_taps, weights::Packing::int8);
      },
      py::arg("state"), py::arg("config"),
      "Packed, and matrices and convolutions are rounded to eight bits but for the first and the last, those of\n"
      "timesteps and, in bfloat16 where the engine has a kernel of its own, those that upsample. What they take is\n"
      "rounded as it comes. On a CPU with VNNI, else ValueError.");
  unet.def_property_readonly("in_eight_bits",
                             [](const Loaded<models::UNet>& self) { return self.packing == weights::Packing::int8; });
  bind_unet_stages(unet);
  unet.def(
      "__call__",
      [](const Loaded<models::UNet>& self, const Tensor& sample, const Tensor& timesteps, const tap::Sink& tap) {
        py::gil_scoped_release no_gil;
        tap::Listen listen(tap);
        return self.model(sample, timesteps);
      },
      py::arg("sample"), py::arg("timesteps"), py::arg("tap") = py::none());
  py::class_<models::StreamedUNet, std::shared_ptr<models::StreamedUNet>>(m, "StreamedUNet")
      .def(py::init([](const UNetConfig& config, const Tensor& like,
                       std::function<weights::Tensors(const std::string&, const std::string&)> fetch) {
             config.check();
             return models::StreamedUNet{config, like.scalar_type(), std::move(fetch)};
           }),
           py::arg("config"), py::arg("like"), py::arg("fetch"),
           "A UNet that asks fetch(part, following) for the weights of each part when its turn comes; `following` is "
           "the\n"
           "part after it. like: of the work's dtype.")
      .def_static("parts", &models::streamed_parts, py::arg("config"), py::arg("reuses") = false,
                  "All parts, in the order of their use. reuses: those alone that a step between two whole ones needs.")
      .def_static("part", &models::streamed_part, py::arg("weight"), "The part to which a weight belongs.")
      .def_readonly("config", &models::StreamedUNet::config)
      .def(
          "__call__",
          [](const models::StreamedUNet& self, const std::vector<Tensor>& samples, const Tensor& timesteps) {
            py::gil_scoped_release no_gil;
            return self(samples, timesteps);
          },
          py::arg("samples"), py::arg("timesteps"),
          "samples: a batch for each branch of guidance; timesteps: of one of them, the same for all.");
  bind_model<models::VAE, VAEConfig>(m, "VAE", "layer.vae")
      .def(
          "encode",
          [](const Loaded<models::VAE>& self, const Tensor& images, const tap::Sink& tap, int64_t strip,
             const poll::Ask& ask) {
            const poll::Ask poll = interruptible(ask);
            py::gil_scoped_release no_gil;
            tap::Listen listen(tap);
            poll::Watch watch(poll);
            const models::Posterior posterior = self.model.encode(images, {strip});
            return std::make_pair(posterior.mean, posterior.std);
          },
          py::arg("images"), py::arg("tap") = py::none(), py::arg("strip") = 0, py::arg("poll") = py::none(),
          "Mean and standard deviation of the posterior over latents.\n\n"
          "strip: maps are computed in strips of at most so many elements, 0: whole; the same to rounding.")
      .def(
          "decode",
          [](const Loaded<models::VAE>& self, const Tensor& latents, const tap::Sink& tap, int64_t strip) {
            py::gil_scoped_release no_gil;
            tap::Listen listen(tap);
            return self.model.decode(latents, {strip});
          },
          py::arg("latents"), py::arg("tap") = py::none(), py::arg("strip") = 0);
}

}  // namespace catvton::bindings
