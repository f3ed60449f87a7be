#include "models/unet/config.h"

#include <stdexcept>

#include "torch_stable/tensor.h"

namespace catvton::models {
namespace {

std::string text(const std::string& a, int64_t i, const std::string& b = "", int64_t j = -1,
                 const std::string& c = "") {
  return a + std::to_string(i) + b + (j < 0 ? "" : std::to_string(j)) + c;
}

// How many of prefix0, prefix1, ... have the weight `suffix`.
int64_t count(const Shapes& shapes, const std::string& prefix, const std::string& suffix) {
  int64_t n = 0;
  while (shapes.contains(text(prefix, n, suffix))) ++n;
  return n;
}

const Ints& shape(const Shapes& shapes, const std::string& name) {
  auto found = shapes.find(name);
  if (found == shapes.end()) throw std::invalid_argument("this is not a UNet of the SD 1.5 family: it has no " + name);
  return found->second;
}

}  // namespace

void UNetConfig::check() const {
  const size_t blocks = block_out_channels.size();
  auto require = [](bool fits, const std::string& problem) {
    if (!fits) throw std::invalid_argument("UNet config: " + problem);
  };
  auto positive = [](const Ints& values) {
    for (int64_t value : values) {
      if (value < 1) return false;
    }
    return true;
  };
  require(blocks > 0, "block_out_channels is empty");
  require(in_channels > 0 && out_channels > 0, "in_channels and out_channels must be positive");
  require(norm_num_groups > 0, "norm_num_groups must be positive, got " + std::to_string(norm_num_groups));
  const std::pair<const char*, const Ints*> lists[] = {{"block_out_channels", &block_out_channels},
                                                       {"layers_per_block", &layers_per_block},
                                                       {"attention_heads", &attention_heads},
                                                       {"transformer_layers_per_block", &transformer_layers_per_block}};
  for (const auto& [name, values] : lists) {
    require(values->size() == blocks && positive(*values),
            std::string(name) + " must hold " + std::to_string(blocks) + " positive numbers, got " + to_text(*values));
  }
  require(down_block_attention.size() == blocks, "down_block_types must name " + std::to_string(blocks) + " blocks");
  require(up_block_attention.size() == blocks, "up_block_types must name " + std::to_string(blocks) + " blocks");
}

UNetConfig UNetConfig::infer(const Shapes& shapes) {
  UNetConfig config;
  config.in_channels = shape(shapes, "conv_in.weight").at(1);
  config.out_channels = shape(shapes, "conv_out.weight").at(0);
  config.mid_block_attention = shapes.contains("mid_block.attentions.0.norm.weight");

  const int64_t blocks = count(shapes, "down_blocks.", ".resnets.0.conv1.weight");
  if (blocks == 0) shape(shapes, "down_blocks.0.resnets.0.conv1.weight");  // throws
  config.block_out_channels.clear();
  config.layers_per_block.clear();
  config.down_block_attention.clear();
  config.up_block_attention.clear();
  config.transformer_layers_per_block.assign(blocks, 1);
  config.attention_heads.assign(blocks, 8);
  for (int64_t i = 0; i < blocks; ++i) {
    config.block_out_channels.push_back(shape(shapes, text("down_blocks.", i, ".resnets.0.conv1.weight")).at(0));
    config.layers_per_block.push_back(count(shapes, text("down_blocks.", i, ".resnets."), ".conv1.weight"));
    config.down_block_attention.push_back(shapes.contains(text("down_blocks.", i, ".attentions.0.norm.weight")));
    config.up_block_attention.push_back(shapes.contains(text("up_blocks.", i, ".attentions.0.norm.weight")));
    // Any block of this level may be the only one with attention; the middle block is of the last level.
    for (const std::string& block : {text("down_blocks.", i), text("up_blocks.", blocks - 1 - i),
                                     std::string(i + 1 == blocks ? "mid_block" : "")}) {
      const int64_t layers = count(shapes, block + ".attentions.0.transformer_blocks.", ".norm1.weight");
      if (layers > 0) config.transformer_layers_per_block[i] = layers;
    }
  }
  for (const auto& [name, size] : shapes) {
    if (name.ends_with("proj_in.weight")) config.use_linear_projection = size.size() == 2;
  }
  config.check();
  return config;
}

std::vector<std::string> self_attentions(const UNetConfig& config) {
  std::vector<std::string> names;
  auto add = [&](const std::string& block, int64_t attentions, int64_t layers) {
    for (int64_t i = 0; i < attentions; ++i) {
      for (int64_t layer = 0; layer < layers; ++layer) {
        names.push_back(text(block + ".attentions.", i, ".transformer_blocks.", layer, ".attn1"));
      }
    }
  };
  const int64_t blocks = static_cast<int64_t>(config.block_out_channels.size());
  for (int64_t i = 0; i < blocks; ++i) {
    if (!config.down_block_attention[i]) continue;
    add(text("down_blocks.", i), config.layers_per_block[i], config.transformer_layers_per_block[i]);
  }
  for (int64_t i = 0; i < blocks; ++i) {
    if (!config.up_block_attention[i]) continue;
    const int64_t mirrored = blocks - 1 - i;
    add(text("up_blocks.", i), config.layers_per_block[mirrored] + 1, config.transformer_layers_per_block[mirrored]);
  }
  if (config.mid_block_attention) add("mid_block", 1, config.transformer_layers_per_block.back());
  return names;
}

}  // namespace catvton::models
