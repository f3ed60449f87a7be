"""Names and shapes of the original Stable Diffusion's networks, by the loops that construct them in CompVis' ldm.

Source: ldm/modules/diffusionmodules/openaimodel.py (UNetModel) and model.py (Encoder, Decoder), Stable Diffusion 1's
settings. Nothing here knows diffusers' names.
"""

from __future__ import annotations

Shapes = dict[str, list[int]]


def unet(channels: int = 320, in_channels: int = 9, context: int = 768) -> Shapes:
    """UNetModel: channel_mult 1, 2, 4, 4; two resnets a level; attention in all levels but the innermost."""
    mult, layers, attending = (1, 2, 4, 4), 2, (0, 1, 2)
    shapes: Shapes = {}
    embedding = 4 * channels
    _layer(shapes, "time_embed.0", [embedding, channels])
    _layer(shapes, "time_embed.2", [embedding, embedding])
    _layer(shapes, "input_blocks.0.0", [channels, in_channels, 3, 3])
    skips, width, block = [channels], channels, 1
    for level, factor in enumerate(mult):
        for _ in range(layers):
            _unet_resnet(shapes, f"input_blocks.{block}.0", width, factor * channels, embedding)
            width = factor * channels
            if level in attending:
                _transformer(shapes, f"input_blocks.{block}.1", width, context)
            skips.append(width)
            block += 1
        if level != len(mult) - 1:
            _layer(shapes, f"input_blocks.{block}.0.op", [width, width, 3, 3])
            skips.append(width)
            block += 1
    _unet_resnet(shapes, "middle_block.0", width, width, embedding)
    _transformer(shapes, "middle_block.1", width, context)
    _unet_resnet(shapes, "middle_block.2", width, width, embedding)
    block = 0
    for level, factor in reversed(list(enumerate(mult))):
        for layer in range(layers + 1):
            _unet_resnet(shapes, f"output_blocks.{block}.0", width + skips.pop(), factor * channels, embedding)
            width, part = factor * channels, 1
            if level in attending:
                _transformer(shapes, f"output_blocks.{block}.1", width, context)
                part += 1
            if level > 0 and layer == layers:
                _layer(shapes, f"output_blocks.{block}.{part}.conv", [width, width, 3, 3])
            block += 1
    _layer(shapes, "out.0", [width])
    _layer(shapes, "out.2", [4, width, 3, 3])
    return shapes


def vae(channels: int = 128) -> Shapes:
    """AutoencoderKL: ch_mult 1, 2, 4, 4; two resnets a level in the encoder, three in the decoder; 4 latents."""
    mult, layers, latents = (1, 2, 4, 4), 2, 4
    shapes: Shapes = {}
    _layer(shapes, "encoder.conv_in", [channels, 3, 3, 3])
    width = channels
    for level, factor in enumerate(mult):
        for layer in range(layers):
            _vae_resnet(shapes, f"encoder.down.{level}.block.{layer}", width, factor * channels)
            width = factor * channels
        if level != len(mult) - 1:
            _layer(shapes, f"encoder.down.{level}.downsample.conv", [width, width, 3, 3])
    _vae_middle(shapes, "encoder", width)
    _layer(shapes, "encoder.norm_out", [width])
    _layer(shapes, "encoder.conv_out", [2 * latents, width, 3, 3])
    _layer(shapes, "decoder.conv_in", [width, latents, 3, 3])
    _vae_middle(shapes, "decoder", width)
    for level, factor in reversed(list(enumerate(mult))):
        for layer in range(layers + 1):
            _vae_resnet(shapes, f"decoder.up.{level}.block.{layer}", width, factor * channels)
            width = factor * channels
        if level != 0:
            _layer(shapes, f"decoder.up.{level}.upsample.conv", [width, width, 3, 3])
    _layer(shapes, "decoder.norm_out", [width])
    _layer(shapes, "decoder.conv_out", [3, width, 3, 3])
    _layer(shapes, "quant_conv", [2 * latents, 2 * latents, 1, 1])
    _layer(shapes, "post_quant_conv", [latents, latents, 1, 1])
    return shapes


def _layer(shapes: Shapes, name: str, weight: list[int]) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = weight, weight[:1]


def _unet_resnet(shapes: Shapes, name: str, width: int, out: int, embedding: int) -> None:
    _layer(shapes, f"{name}.in_layers.0", [width])
    _layer(shapes, f"{name}.in_layers.2", [out, width, 3, 3])
    _layer(shapes, f"{name}.emb_layers.1", [out, embedding])
    _layer(shapes, f"{name}.out_layers.0", [out])
    _layer(shapes, f"{name}.out_layers.3", [out, out, 3, 3])
    if width != out:
        _layer(shapes, f"{name}.skip_connection", [out, width, 1, 1])


def _transformer(shapes: Shapes, name: str, width: int, context: int) -> None:
    _layer(shapes, f"{name}.norm", [width])
    _layer(shapes, f"{name}.proj_in", [width, width, 1, 1])
    block = f"{name}.transformer_blocks.0"
    for attention, source in (("attn1", width), ("attn2", context)):
        shapes[f"{block}.{attention}.to_q.weight"] = [width, width]
        shapes[f"{block}.{attention}.to_k.weight"] = [width, source]
        shapes[f"{block}.{attention}.to_v.weight"] = [width, source]
        _layer(shapes, f"{block}.{attention}.to_out.0", [width, width])
    _layer(shapes, f"{block}.ff.net.0.proj", [8 * width, width])
    _layer(shapes, f"{block}.ff.net.2", [width, 4 * width])
    for norm in ("norm1", "norm2", "norm3"):
        _layer(shapes, f"{block}.{norm}", [width])
    _layer(shapes, f"{name}.proj_out", [width, width, 1, 1])


def _vae_resnet(shapes: Shapes, name: str, width: int, out: int) -> None:
    _layer(shapes, f"{name}.norm1", [width])
    _layer(shapes, f"{name}.conv1", [out, width, 3, 3])
    _layer(shapes, f"{name}.norm2", [out])
    _layer(shapes, f"{name}.conv2", [out, out, 3, 3])
    if width != out:
        _layer(shapes, f"{name}.nin_shortcut", [out, width, 1, 1])


def _vae_middle(shapes: Shapes, half: str, width: int) -> None:
    _vae_resnet(shapes, f"{half}.mid.block_1", width, width)
    _layer(shapes, f"{half}.mid.attn_1.norm", [width])
    for part in ("q", "k", "v", "proj_out"):
        _layer(shapes, f"{half}.mid.attn_1.{part}", [width, width, 1, 1])
    _vae_resnet(shapes, f"{half}.mid.block_2", width, width)
