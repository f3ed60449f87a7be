#include "models/vae/config.h"

#include <stdexcept>

#include "torch_stable/tensor.h"

namespace catvton::models {

void VAEConfig::check() const {
  auto require = [](bool fits, const std::string& problem) {
    if (!fits) throw std::invalid_argument("VAE config: " + problem);
  };
  require(!block_out_channels.empty(), "block_out_channels is empty");
  for (int64_t channels : block_out_channels) {
    require(channels > 0, "block_out_channels must be positive, got " + to_text(block_out_channels));
  }
  require(in_channels > 0 && out_channels > 0 && latent_channels > 0, "numbers of channels must be positive");
  require(layers_per_block > 0, "layers_per_block must be positive");
  require(norm_num_groups > 0, "norm_num_groups must be positive");
  require(scaling_factor > 0, "scaling_factor must be positive, got " + std::to_string(scaling_factor));
}

VAEConfig VAEConfig::infer(const std::map<std::string, Ints>& shapes) {
  auto shape = [&](const std::string& name) -> const Ints& {
    auto found = shapes.find(name);
    if (found == shapes.end()) throw std::invalid_argument("this is not an AutoencoderKL: it has no " + name);
    return found->second;
  };
  VAEConfig config;
  config.in_channels = shape("encoder.conv_in.weight").at(1);
  config.out_channels = shape("decoder.conv_out.weight").at(0);
  config.latent_channels = shape("decoder.conv_in.weight").at(1);
  config.mid_block_add_attention = shapes.contains("encoder.mid_block.attentions.0.group_norm.weight");
  config.use_quant_conv = shapes.contains("quant_conv.weight");
  config.use_post_quant_conv = shapes.contains("post_quant_conv.weight");
  shape("encoder.down_blocks.0.resnets.0.conv1.weight");

  auto resnet = [](size_t block, int64_t layer) {
    return "encoder.down_blocks." + std::to_string(block) + ".resnets." + std::to_string(layer) + ".conv1.weight";
  };
  config.block_out_channels.clear();
  for (size_t block = 0; shapes.contains(resnet(block, 0)); ++block) {
    config.block_out_channels.push_back(shape(resnet(block, 0)).at(0));
  }
  config.layers_per_block = 0;
  while (shapes.contains(resnet(0, config.layers_per_block))) ++config.layers_per_block;
  config.check();
  return config;
}

}  // namespace catvton::models
