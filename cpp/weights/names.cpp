#include "weights/names.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace catvton::weights {
namespace {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view unet_prefix = "model.diffusion_model.";
constexpr std::string_view vae_prefix = "first_stage_model.";
constexpr int listed_per_attention = 8;  // the reference lists attn1 and its seven submodules one after the other

const Pairs resnet_names = {{"in_layers.0.", "norm1."},          {"in_layers.2.", "conv1."},
                            {"emb_layers.1.", "time_emb_proj."}, {"out_layers.0.", "norm2."},
                            {"out_layers.3.", "conv2."},         {"skip_connection.", "conv_shortcut."},
                            {"nin_shortcut.", "conv_shortcut."}};

const Pairs unet_ends = {{"time_embed.0.", "time_embedding.linear_1."},
                         {"time_embed.2.", "time_embedding.linear_2."},
                         {"out.0.", "conv_norm_out."},
                         {"out.2.", "conv_out."},
                         {"middle_block.0.", "mid_block.resnets.0."},
                         {"middle_block.1.", "mid_block.attentions.0."},
                         {"middle_block.2.", "mid_block.resnets.1."}};

const Pairs vae_middle = {{"mid.block_1.", "mid_block.resnets.0."},
                          {"mid.block_2.", "mid_block.resnets.1."},
                          {"mid.attn_1.", "mid_block.attentions.0."},
                          {"norm_out.", "conv_norm_out."}};

const Pairs vae_attention = {{"norm.", "group_norm."},   {"q.", "to_q."},     {"k.", "to_k."},   {"v.", "to_v."},
                             {"proj_out.", "to_out.0."}, {"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."},
                             {"proj_attn.", "to_out.0."}};

// Replaces the first prefix of `pairs` that `name` begins with.
std::string with_prefix_of(const Pairs& pairs, std::string_view name) {
  for (const auto& [from, to] : pairs) {
    if (name.starts_with(from)) return std::string(to).append(name.substr(from.size()));
  }
  return std::string(name);
}

// Takes "12." off the front of `name`.
std::optional<int> take_number(std::string_view& name) {
  int number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end == name.data() + name.size() || *end != '.') return std::nullopt;
  name.remove_prefix(end - name.data() + 1);
  return number;
}

bool take_prefix(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  return true;
}

std::string numbered(std::string_view before, int number, std::string_view after) {
  return std::string(before).append(std::to_string(number)).append(after);
}

// input_blocks.<n>.<part>: n = 0 is conv_in; then per level two layers (part 0 resnet, 1 attention) and a downsampler.
std::string input_block(std::string_view rest, const std::string& whole) {
  const auto n = take_number(rest);
  const auto part = take_number(rest);
  if (!n || !part) return whole;
  if (*n == 0) return "conv_in." + std::string(rest);
  const std::string block = numbered("down_blocks.", (*n - 1) / 3, "");
  const int layer = (*n - 1) % 3;
  if (layer == 2) return take_prefix(rest, "op.") ? block + ".downsamplers.0.conv." + std::string(rest) : whole;
  if (*part == 0) return block + numbered(".resnets.", layer, ".") + with_prefix_of(resnet_names, rest);
  return block + numbered(".attentions.", layer, ".") + std::string(rest);
}

// output_blocks.<n>.<part>: three layers a level; the upsampler follows the last one, after its attention if it has
// one.
std::string output_block(std::string_view rest, const std::string& whole) {
  const auto n = take_number(rest);
  const auto part = take_number(rest);
  if (!n || !part) return whole;
  const std::string block = numbered("up_blocks.", *n / 3, "");
  const int layer = *n % 3;
  if (*part == 0) return block + numbered(".resnets.", layer, ".") + with_prefix_of(resnet_names, rest);
  if (rest.starts_with("conv.")) return block + ".upsamplers.0." + std::string(rest);
  return block + numbered(".attentions.", layer, ".") + std::string(rest);
}

std::string original_unet_name(const std::string& name) {
  std::string_view rest = name;
  if (take_prefix(rest, "input_blocks.")) return input_block(rest, name);
  if (take_prefix(rest, "output_blocks.")) return output_block(rest, name);
  std::string translated = with_prefix_of(unet_ends, rest);
  std::string_view inside = translated;
  for (std::string_view resnet : {"mid_block.resnets.0.", "mid_block.resnets.1."}) {
    if (take_prefix(inside, resnet)) return std::string(resnet) + with_prefix_of(resnet_names, inside);
  }
  return translated;
}

// `half` is "encoder." or "decoder."; rest is what follows it.
std::string original_vae_half(const std::string& half, std::string_view rest, const std::string& whole) {
  constexpr int levels = 4;
  const bool down = take_prefix(rest, "down.");
  if (down || take_prefix(rest, "up.")) {
    const auto level = take_number(rest);
    if (!level) return whole;
    const std::string block =
        half + (down ? numbered("down_blocks.", *level, ".") : numbered("up_blocks.", levels - 1 - *level, "."));
    if (take_prefix(rest, "downsample.")) return block + "downsamplers.0." + std::string(rest);
    if (take_prefix(rest, "upsample.")) return block + "upsamplers.0." + std::string(rest);
    if (!take_prefix(rest, "block.")) return whole;
    const auto layer = take_number(rest);
    return layer ? block + numbered("resnets.", *layer, ".") + with_prefix_of(resnet_names, rest) : whole;
  }
  return half + with_prefix_of(vae_middle, rest);
}

std::string original_vae_name(const std::string& name) {
  for (const char* half : {"encoder.", "decoder."}) {
    std::string_view rest = name;
    if (take_prefix(rest, half)) return original_vae_half(half, rest, name);
  }
  return name;
}

bool any_starts_with(const std::vector<std::string>& keys, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return key.starts_with(prefix); });
  });
}

}  // namespace

Spelling spelling(const std::vector<std::string>& keys) {
  if (any_starts_with(keys, {unet_prefix, vae_prefix})) return Spelling::checkpoint;
  if (any_starts_with(keys, {"input_blocks.", "encoder.down.", "decoder.up."})) return Spelling::original;
  if (any_starts_with(keys, {"down_blocks.", "encoder.down_blocks.", "decoder.up_blocks."})) return Spelling::diffusers;
  const auto numbered =
      std::count_if(keys.begin(), keys.end(), [](std::string_view key) { return take_number(key).has_value(); });
  return 2 * numbered > std::ssize(keys) ? Spelling::attention : Spelling::unknown;
}

const char* to_text(Spelling spelling) {
  switch (spelling) {
    case Spelling::diffusers:
      return "diffusers";
    case Spelling::original:
      return "original";
    case Spelling::checkpoint:
      return "checkpoint";
    case Spelling::attention:
      return "attention";
    case Spelling::unknown:
      return "unknown";
  }
  return "unknown";
}

std::optional<std::string> unet_name(const std::string& key, Spelling spelling) {
  std::string_view rest = key;
  if (spelling == Spelling::checkpoint && !take_prefix(rest, unet_prefix)) return std::nullopt;
  if (rest.find(".attn2.") != std::string_view::npos) return std::nullopt;
  std::string name(rest);
  return spelling == Spelling::diffusers ? name : original_unet_name(name);
}

std::optional<std::string> vae_name(const std::string& key, Spelling spelling) {
  std::string_view rest = key;
  if (spelling == Spelling::checkpoint && !take_prefix(rest, vae_prefix)) return std::nullopt;
  if (rest.starts_with("loss.") || rest.starts_with("model_ema.")) return std::nullopt;  // left over from its training
  std::string name(rest);
  if (spelling != Spelling::diffusers) name = original_vae_name(name);
  constexpr std::string_view attention = "mid_block.attentions.0.";
  if (size_t at = name.find(attention); at != std::string::npos) {
    at += attention.size();
    return name.substr(0, at) + with_prefix_of(vae_attention, std::string_view(name).substr(at));
  }
  return name;
}

std::string attention_name(const std::string& key, const std::vector<std::string>& self_attentions) {
  // In the order in which torch lists the submodules of attn1 after it: to_q, to_k, to_v, to_out, to_out.0.
  constexpr const char* submodules[] = {"", "to_q.", "to_k.", "to_v.", "to_out.", "to_out.0."};
  std::string_view rest = key;
  const auto listed = take_number(rest);
  if (!listed || *listed < 0) return key;
  const size_t index = *listed / listed_per_attention, submodule = *listed % listed_per_attention;
  if (index >= self_attentions.size() || submodule >= std::size(submodules)) return key;
  return self_attentions[index] + "." + submodules[submodule] + std::string(rest);
}

std::string published_attention_name(size_t index, const std::string& weight) {
  return std::to_string(index * listed_per_attention) + "." + weight;
}

}  // namespace catvton::weights
