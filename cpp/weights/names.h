// Every foreign spelling of a weight's name, translated to diffusers' current one.
//
// Original Stable Diffusion checkpoints ("model.diffusion_model.input_blocks.1.0.in_layers.0.weight") follow the rules
// in CompVis' ldm; old diffusers VAEs spell the middle attention query/key/value/proj_attn; CatVTON's attention
// checkpoint numbers the self-attentions.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace catvton::weights {

// Which way a file of weights spells its names, seen from all of them.
enum class Spelling {
  diffusers,   // conv_in.weight, encoder.conv_in.weight
  original,    // input_blocks.0.0.weight, encoder.down.0.block.0.conv1.weight: one network alone
  checkpoint,  // model.diffusion_model.*, first_stage_model.*: a single file with every network
  attention,   // 0.to_q.weight: CatVTON's trained self-attentions
  unknown,
};
Spelling spelling(const std::vector<std::string>& keys);
const char* to_text(Spelling spelling);

// The name of a UNet weight, or nothing where CatVTON does not use it: the skipped cross-attentions (attn2), and other
// networks of a checkpoint. A name that is not understood is returned as it is, and shows up as unexpected later.
std::optional<std::string> unet_name(const std::string& key, Spelling spelling);
std::optional<std::string> vae_name(const std::string& key, Spelling spelling);

// The name of a weight of the attention checkpoint: "48.to_out.0.bias" is the seventh of `self_attentions` (see
// models/unet/config.h). The aliases that tools write when they save again (49.weight is 48.to_q.weight) count too.
std::string attention_name(const std::string& key, const std::vector<std::string>& self_attentions);

// The published spelling, index 0, 8, 16, ...: what attention_name() reads.
std::string published_attention_name(size_t index, const std::string& weight);

}  // namespace catvton::weights
