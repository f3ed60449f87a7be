#include "models/unet/streamed_unet.h"

#include <algorithm>
#include <optional>

#include "models/unet/blocks.h"
#include "nn/tap.h"
#include "nn/timestep_embedding.h"
#include "torch_stable/ops.h"

namespace catvton::models {
namespace {

using weights::Scope;

// A batch on its way: its hidden state, and what the way down left for the way up.
struct Branch {
  Tensor h;
  std::vector<Tensor> skips;
  Shortcuts shortcuts;
};

// The parts of one call, which are asked for in their order.
class Parts {
 public:
  Parts(const StreamedUNet& unet, bool reuses) : unet_(unet), names_(streamed_parts(unet.config, reuses)) {}

  // What UNet's constructor and forward do for a part; `build` names its layers, which `run` is then called with.
  template <class Build, class Run>
  void with(const std::string& part, const Build& build, const Run& run) {
    const size_t following = ++used_ < names_.size() ? used_ : 0;
    weights::StateDict state(unet_.fetch(part, names_[following]));
    const auto layers = build(Scope(state, "layer.unet"));
    state.check_all_used();
    run(layers);
  }

 private:
  const StreamedUNet& unet_;
  std::vector<std::string> names_;
  size_t used_ = 0;
};

struct Layer {
  nn::ResnetBlock2D resnet;
  std::optional<nn::Transformer2DModel> attention;
  Tensor operator()(const Tensor& x, const Tensor& activated_time, const nn::AttentionShortcuts& shortcuts) const {
    Tensor h = resnet(x, activated_time);
    return attention ? (*attention)(h, shortcuts) : h;
  }
};

Layer down_layer(const Scope& w, const UNetConfig& config, size_t index, int64_t layer) {
  const Scope block = w / "down_blocks" / index;
  Layer made{down_resnet(block, config, index, layer), {}};
  if (config.down_block_attention[index]) made.attention.emplace(transformer(block, config, index, layer));
  return made;
}

Layer up_layer(const Scope& w, const UNetConfig& config, size_t index, int64_t layer) {
  const Scope block = w / "up_blocks" / index;
  Layer made{up_resnet(block, config, index, layer), {}};
  if (config.up_block_attention[index]) {
    made.attention.emplace(transformer(block, config, mirrored_level(config, index), layer));
  }
  return made;
}

std::string named(const char* blocks, size_t index, const std::string& layer) {
  return std::string(blocks) + "." + std::to_string(index) + "." + layer;
}

}  // namespace

std::vector<Tensor> StreamedUNet::operator()(const std::vector<Tensor>& samples, const Tensor& timesteps,
                                             const std::vector<Shortcuts>& shortcuts) const {
  const Ints& channels = config.block_out_channels;
  const bool reuses = !shortcuts.empty() && shortcuts.front().reuses();
  Parts parts(*this, reuses);
  std::vector<Branch> branches;
  Tensor time;  // [B, 4 C0]
  struct In {
    nn::Conv2d conv;
    nn::TimestepEmbedding time;
  };
  parts.with(
      "in",
      [&](const Scope& w) {
        return In{{w / "conv_in", config.in_channels, channels.front(), 3, 1, 1},
                  {w / "time_embedding", channels.front(), config.time_channels(), config.flip_sin_to_cos,
                   config.freq_shift}};
      },
      [&](const In& in) {
        time = ops::silu(in.time(timesteps));
        for (size_t i = 0; i < samples.size(); ++i) {
          Tensor h = in.conv(samples[i]);  // [B, C0, H, W]
          branches.push_back({h, {h}, shortcuts.empty() ? Shortcuts{} : shortcuts.at(i)});
        }
      });

  for (size_t i = 0; i < (reuses ? 1 : channels.size()); ++i) {
    for (int64_t layer = 0; layer < config.layers_per_block[i]; ++layer) {
      parts.with(
          named("down_blocks", i, std::to_string(layer)),
          [&](const Scope& w) { return down_layer(w, config, i, layer); },
          [&](const Layer& run) {
            for (Branch& branch : branches) {
              branch.skips.push_back(branch.h = run(branch.h, time, branch.shortcuts.attention_at(i)));
            }
          });
    }
    if (reuses || i + 1 == channels.size()) continue;
    parts.with(
        named("down_blocks", i, "downsamplers"),
        [&](const Scope& w) {
          return nn::Downsample2D(w / "down_blocks" / i / "downsamplers.0", channels[i],
                                  nn::Downsample2D::Padding::both_sides);
        },
        [&](const nn::Downsample2D& run) {
          for (Branch& branch : branches) branch.skips.push_back(branch.h = run(branch.h));
        });
  }

  if (!reuses) {
    parts.with(
        "mid_block", [&](const Scope& w) { return MidBlock2D(w / "mid_block", config); },
        [&](const MidBlock2D& run) {
          for (Branch& branch : branches)
            branch.h = run(branch.h, time, branch.shortcuts.attention_at(channels.size()));
        });
  }

  for (size_t i = reuses ? channels.size() - 1 : 0; i < channels.size(); ++i) {
    const size_t level = mirrored_level(config, i);
    if (level == 0) {
      for (Branch& branch : branches) {
        if (reuses) branch.h = **branch.shortcuts.deep;
        if (!reuses && branch.shortcuts.deep != nullptr) *branch.shortcuts.deep = branch.h;
      }
    }
    for (int64_t layer = 0; layer < config.layers_per_block[level] + 1; ++layer) {
      parts.with(
          named("up_blocks", i, std::to_string(layer)), [&](const Scope& w) { return up_layer(w, config, i, layer); },
          [&](const Layer& run) {
            for (Branch& branch : branches) {
              branch.h = ops::cat({branch.h, branch.skips.back()}, 1);
              branch.skips.pop_back();
              branch.h = run(branch.h, time, branch.shortcuts.attention_at(level));
            }
          });
    }
    if (level == 0) continue;
    parts.with(
        named("up_blocks", i, "upsamplers"),
        [&](const Scope& w) { return nn::Upsample2D(w / "up_blocks" / i / "upsamplers.0", channels[level]); },
        [&](const nn::Upsample2D& run) {
          for (Branch& branch : branches) {  // to the size of the way down
            branch.h = run(branch.h, branch.skips.back().size(2), branch.skips.back().size(3));
          }
        });
  }

  std::vector<Tensor> noises;
  struct Out {
    nn::GroupNorm norm;
    nn::Conv2d conv;
  };
  parts.with(
      "out",
      [&](const Scope& w) {
        return Out{{w / "conv_norm_out", channels.front(), config.norm_num_groups, config.norm_eps},
                   {w / "conv_out", channels.front(), config.out_channels, 3, 1, 1}};
      },
      [&](const Out& out) {
        for (const Branch& branch : branches) noises.push_back(out.conv(ops::silu(out.norm(branch.h))));
      });
  return noises;
}

std::vector<std::string> streamed_parts(const UNetConfig& config, bool reuses) {
  std::vector<std::string> parts{"in"};
  const size_t blocks = config.block_out_channels.size();
  for (size_t i = 0; i < (reuses ? 1 : blocks); ++i) {
    for (int64_t layer = 0; layer < config.layers_per_block[i]; ++layer) {
      parts.push_back(named("down_blocks", i, std::to_string(layer)));
    }
    if (!reuses && i + 1 < blocks) parts.push_back(named("down_blocks", i, "downsamplers"));
  }
  if (!reuses) parts.push_back("mid_block");
  for (size_t i = reuses ? blocks - 1 : 0; i < blocks; ++i) {
    for (int64_t layer = 0; layer < config.layers_per_block[mirrored_level(config, i)] + 1; ++layer) {
      parts.push_back(named("up_blocks", i, std::to_string(layer)));
    }
    if (mirrored_level(config, i) > 0) parts.push_back(named("up_blocks", i, "upsamplers"));
  }
  parts.push_back("out");
  return parts;
}

std::string streamed_part(const std::string& weight) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= weight.size();) {
    const size_t end = std::min(weight.find('.', begin), weight.size());
    words.push_back(weight.substr(begin, end - begin));
    begin = end + 1;
  }
  if (words[0] == "conv_in" || words[0] == "time_embedding") return "in";
  if (words[0] == "conv_norm_out" || words[0] == "conv_out") return "out";
  if (words[0] == "mid_block" || words.size() < 4) return words[0];
  const bool layer = words[2] == "resnets" || words[2] == "attentions";
  return words[0] + "." + words[1] + "." + (layer ? words[3] : words[2]);
}

}  // namespace catvton::models
