"""diffusers' models as CatVTON uses them, native ones with the same weights, and how far two results are apart."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from catvton._native import C

HAS_BFLOAT16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
# Without the instructions torch takes oneDNN's reference, a hundred times slower, which keeps copies in float32.
needs_bfloat16 = pytest.mark.skipif(not HAS_BFLOAT16, reason="torch has no fast bfloat16 on this processor")


@contextmanager
def emulated_cuda():
    """Without gradients, and by the CUDA kernels' bodies as the emulator runs them on the CPU."""
    C.ops.emulate_cuda(True)
    try:
        with torch.inference_mode():
            yield
    finally:
        C.ops.emulate_cuda(False)


class SkipAttention:
    """The reference's SkipAttnProcessor: cross-attention returns its input."""

    def __call__(self, attn, hidden_states, *args, **kwargs):
        return hidden_states


def skip_cross_attention(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            module.set_processor(SkipAttention())
    return unet


def perturb_norms(model: torch.nn.Module) -> None:
    """Norms away from the identity, so that a forgotten or misplaced affine shows."""
    for module in model.modules():
        if isinstance(module, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)


CPU_LEVELS = ("aten", "avx2", "avx512", "avx512_bf16")  # each includes the ones before it
SMALL_UNET = {
    "in_channels": 9,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
SMALL_VAE = {
    "block_out_channels": (16, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 8,
}


def diffusers_unet(seed: int = 0, **config) -> UNet2DConditionModel:
    """A random UNet without cross-attention. What `config` leaves out is SMALL_UNET's."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(**{**SMALL_UNET, "out_channels": 4, "cross_attention_dim": 8, **config}).eval()
    perturb_norms(unet)
    return skip_cross_attention(unet)


def diffusers_vae(seed: int = 0, **config) -> AutoencoderKL:
    """A random VAE. What `config` leaves out is SMALL_VAE's."""
    torch.manual_seed(seed)
    vae = AutoencoderKL(**{**SMALL_VAE, **config}).eval()
    perturb_norms(vae)
    return vae


def heads_of(batch, heads, tokens, size, dtype, spread=1.0):
    """[B, heads, N, D] as the UNet makes it: a view of [B, N, heads * D]."""
    made = torch.randn(batch, tokens, heads * size) * spread
    return made.to(dtype).view(batch, tokens, heads, size).transpose(1, 2)


def attention_in_int8(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention as it is with int8_scores, by loops: each query is rounded by itself, and each block of 128 keys after
    the mean of all has been taken away. Integers are decided on in float32, the rest is float64. [B, heads, N, D]"""

    def rounded(x):
        factor = torch.clamp(x.abs().max(), min=1e-15) / 127
        return (x * (1 / factor)).round().double() * factor.double()

    out = torch.empty_like(q, dtype=torch.float64)
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            queries = torch.stack([rounded(row) for row in q[b, h].float()])
            keys = k[b, h].float()
            mean = torch.from_numpy(np.cumsum(keys.numpy(), axis=0)[-1]) / len(keys)  # added one after the other
            keys = torch.cat([rounded(block) for block in (keys - mean).split(128)])
            out[b, h] = torch.softmax(queries @ keys.T / q.shape[-1] ** 0.5, dim=-1) @ v[b, h].double()
    return out


def run_unet(unet: UNet2DConditionModel, sample: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """diffusers' forward; the text that nobody reads is zeros."""
    text = sample.new_zeros(sample.shape[0], 1, unet.config.cross_attention_dim)
    return unet(sample, timesteps, encoder_hidden_states=text).sample


def unet_weights(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    return {name: value for name, value in unet.state_dict().items() if ".attn2." not in name}


def unet_config(unet: UNet2DConditionModel):
    """The UNetConfig that describes a diffusers UNet."""
    theirs, config = unet.config, C.UNetConfig()
    blocks = len(theirs.block_out_channels)

    def per_block(value):
        return list(value) if isinstance(value, (list, tuple)) else [value] * blocks

    config.in_channels, config.out_channels = theirs.in_channels, theirs.out_channels
    config.block_out_channels = list(theirs.block_out_channels)
    config.down_block_attention = [name == "CrossAttnDownBlock2D" for name in theirs.down_block_types]
    config.up_block_attention = [name == "CrossAttnUpBlock2D" for name in theirs.up_block_types]
    config.mid_block_attention = theirs.mid_block_type == "UNetMidBlock2DCrossAttn"
    config.layers_per_block = per_block(theirs.layers_per_block)
    config.attention_heads = per_block(theirs.attention_head_dim)
    config.transformer_layers_per_block = per_block(theirs.transformer_layers_per_block)
    for name in ("norm_num_groups", "norm_eps", "use_linear_projection", "flip_sin_to_cos", "freq_shift"):
        setattr(config, name, getattr(theirs, name))
    return config


def vae_config(vae: AutoencoderKL):
    """The VAEConfig that describes a diffusers VAE."""
    config = C.VAEConfig()
    config.block_out_channels = list(vae.config.block_out_channels)
    for name in (
        "in_channels",
        "out_channels",
        "latent_channels",
        "layers_per_block",
        "norm_num_groups",
        "scaling_factor",
        "mid_block_add_attention",
        "use_quant_conv",
        "use_post_quant_conv",
    ):
        setattr(config, name, getattr(vae.config, name))
    return config


def native_unet(unet: UNet2DConditionModel, pack: bool = False):
    return C.UNet(unet_weights(unet), unet_config(unet), pack)


def native_vae(vae: AutoencoderKL, pack: bool = False):
    return C.VAE(vae.state_dict(), vae_config(vae), pack)


def shapes(tensors: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


def apart(got: torch.Tensor, want: torch.Tensor) -> float:
    """Root mean square of the difference, relative to that of `want`."""
    return ((got.double() - want.double()).square().mean() / want.double().square().mean()).sqrt().item()


def error(got: torch.Tensor, want: torch.Tensor) -> float:
    """The largest difference, relative to the largest magnitude wanted."""
    assert got.shape == want.shape, f"expected {tuple(want.shape)}, got {tuple(got.shape)}"
    got, want = got.double(), want.double()
    assert torch.isfinite(got).all() and torch.isfinite(want).all()
    return ((got - want).abs().max() / want.abs().max()).item()


def assert_close(got: torch.Tensor, want: torch.Tensor, gate: float = 1e-5, what: str = "") -> None:
    found = error(got, want)
    assert found <= gate, f"{what or 'result'}: relative to max off by {found:.2e}, allowed {gate:.0e}"
