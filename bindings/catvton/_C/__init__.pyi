"""
CatVTON's native engine
"""

from __future__ import annotations

import collections.abc
import typing

import torch

from . import image, int8, names, nn, ops

__all__: list[str] = [
    "VAE",
    "Combination",
    "DDIMConfig",
    "DDIMStep",
    "LargeBlocksMapped",
    "MultistepStep",
    "Solver",
    "StreamedUNet",
    "UNet",
    "UNetConfig",
    "VAEConfig",
    "alphas_cumprod",
    "check_options",
    "ddim_steps",
    "guide",
    "image",
    "int8",
    "is_masked",
    "multistep_steps",
    "names",
    "nn",
    "ops",
    "tryon",
]

class UNetConfig:
    flip_sin_to_cos: bool
    mid_block_attention: bool
    use_linear_projection: bool
    @staticmethod
    def infer(shapes: collections.abc.Mapping[str, collections.abc.Sequence[int]]) -> UNetConfig: ...
    def __init__(self) -> None: ...
    def check(self) -> None: ...
    @property
    def attention_heads(self) -> list[int]: ...
    @attention_heads.setter
    def attention_heads(self, arg0: collections.abc.Sequence[int]) -> None: ...
    @property
    def block_out_channels(self) -> list[int]: ...
    @block_out_channels.setter
    def block_out_channels(self, arg0: collections.abc.Sequence[int]) -> None: ...
    @property
    def down_block_attention(self) -> list[bool]: ...
    @down_block_attention.setter
    def down_block_attention(self, arg0: collections.abc.Sequence[bool]) -> None: ...
    @property
    def freq_shift(self) -> float: ...
    @freq_shift.setter
    def freq_shift(self, arg0: float) -> None: ...
    @property
    def in_channels(self) -> int: ...
    @in_channels.setter
    def in_channels(self, arg0: int) -> None: ...
    @property
    def layers_per_block(self) -> list[int]: ...
    @layers_per_block.setter
    def layers_per_block(self, arg0: collections.abc.Sequence[int]) -> None: ...
    @property
    def norm_eps(self) -> float: ...
    @norm_eps.setter
    def norm_eps(self, arg0: float) -> None: ...
    @property
    def norm_num_groups(self) -> int: ...
    @norm_num_groups.setter
    def norm_num_groups(self, arg0: int) -> None: ...
    @property
    def out_channels(self) -> int: ...
    @out_channels.setter
    def out_channels(self, arg0: int) -> None: ...
    @property
    def self_attentions(self) -> list[str]: ...
    @property
    def transformer_layers_per_block(self) -> list[int]: ...
    @transformer_layers_per_block.setter
    def transformer_layers_per_block(self, arg0: collections.abc.Sequence[int]) -> None: ...
    @property
    def up_block_attention(self) -> list[bool]: ...
    @up_block_attention.setter
    def up_block_attention(self, arg0: collections.abc.Sequence[bool]) -> None: ...

class VAEConfig:
    mid_block_add_attention: bool
    use_post_quant_conv: bool
    use_quant_conv: bool
    @staticmethod
    def infer(shapes: collections.abc.Mapping[str, collections.abc.Sequence[int]]) -> VAEConfig: ...
    def __init__(self) -> None: ...
    def check(self) -> None: ...
    @property
    def block_out_channels(self) -> list[int]: ...
    @block_out_channels.setter
    def block_out_channels(self, arg0: collections.abc.Sequence[int]) -> None: ...
    @property
    def downscale(self) -> int: ...
    @property
    def in_channels(self) -> int: ...
    @in_channels.setter
    def in_channels(self, arg0: int) -> None: ...
    @property
    def latent_channels(self) -> int: ...
    @latent_channels.setter
    def latent_channels(self, arg0: int) -> None: ...
    @property
    def layers_per_block(self) -> int: ...
    @layers_per_block.setter
    def layers_per_block(self, arg0: int) -> None: ...
    @property
    def norm_num_groups(self) -> int: ...
    @norm_num_groups.setter
    def norm_num_groups(self, arg0: int) -> None: ...
    @property
    def out_channels(self) -> int: ...
    @out_channels.setter
    def out_channels(self, arg0: int) -> None: ...
    @property
    def scaling_factor(self) -> float: ...
    @scaling_factor.setter
    def scaling_factor(self, arg0: float) -> None: ...

class UNet:
    @staticmethod
    def blank(config: UNetConfig, like: torch.Tensor) -> UNet:
        """
        Uninitialised, in the dtype and on the device of `like`.
        """
    @staticmethod
    def int8(state: collections.abc.MutableMapping[str, torch.Tensor], config: UNetConfig) -> UNet:
        """
        Packed, and matrices and convolutions are rounded to eight bits but for the first and the last, those of
        timesteps and, in bfloat16 where the engine has a kernel of its own, those that upsample. What they take is
        rounded as it comes. On a CPU with VNNI, else ValueError.
        """
    @staticmethod
    def shapes(config: UNetConfig) -> dict[str, list[int]]:
        """
        Name and shape of every weight that the model needs.
        """
    def __call__(
        self,
        sample: torch.Tensor,
        timesteps: torch.Tensor,
        tap: collections.abc.Callable[[str, torch.Tensor], None] | None = None,
    ) -> torch.Tensor: ...
    def __init__(
        self, state: collections.abc.MutableMapping[str, torch.Tensor], config: UNetConfig, pack: bool = False
    ) -> None:
        """
        pack: for inference alone. On a CPU, weights are then kept in the layout that its kernels want, where it
        has such, and taken out of `state`, one after the other: plain and packed weights need not both fit in memory.
        """
    def stage_down(
        self, index: int, h: torch.Tensor, activated_time: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """
        -> hidden state, the block's skips
        """
    def stage_in(self, sample: torch.Tensor, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        -> hidden state, activated time embedding
        """
    def stage_mid(self, h: torch.Tensor, activated_time: torch.Tensor) -> torch.Tensor: ...
    def stage_out(self, h: torch.Tensor) -> torch.Tensor: ...
    def stage_up(
        self, index: int, h: torch.Tensor, activated_time: torch.Tensor, skips: collections.abc.Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """
        skips: all that are left, as the last one not used tells the next block's size.
        """
    @property
    def config(self) -> UNetConfig: ...
    @property
    def in_eight_bits(self) -> bool: ...
    @property
    def like(self) -> torch.Tensor:
        """
        An empty tensor of the weights' dtype on their device.
        """
    @property
    def packed(self) -> bool: ...
    @property
    def parameters(self) -> dict[str, torch.Tensor]:
        """
        Weights by name. A packed model writes them out anew.
        """
    @property
    def weight_bytes(self) -> int:
        """
        Of all weights, as they are kept.
        """

class StreamedUNet:
    @staticmethod
    def part(weight: str) -> str:
        """
        The part to which a weight belongs.
        """
    @staticmethod
    def parts(config: UNetConfig, reuses: bool = False) -> list[str]:
        """
        All parts, in the order of their use. reuses: those alone that a step between two whole ones needs.
        """
    def __call__(self, samples: collections.abc.Sequence[torch.Tensor], timesteps: torch.Tensor) -> list[torch.Tensor]:
        """
        samples: a batch for each branch of guidance; timesteps: of one of them, the same for all.
        """
    def __init__(
        self,
        config: UNetConfig,
        like: torch.Tensor,
        fetch: collections.abc.Callable[[str, str], collections.abc.Mapping[str, torch.Tensor]],
    ) -> None:
        """
        A UNet that asks fetch(part, following) for the weights of each part when its turn comes; `following` is the
        part after it. like: of the work's dtype.
        """
    @property
    def config(self) -> UNetConfig: ...

class VAE:
    @staticmethod
    def blank(config: VAEConfig, like: torch.Tensor) -> VAE:
        """
        Uninitialised, in the dtype and on the device of `like`.
        """
    @staticmethod
    def shapes(config: VAEConfig) -> dict[str, list[int]]:
        """
        Name and shape of every weight that the model needs.
        """
    def __init__(
        self, state: collections.abc.MutableMapping[str, torch.Tensor], config: VAEConfig, pack: bool = False
    ) -> None:
        """
        pack: for inference alone. On a CPU, weights are then kept in the layout that its kernels want, where it
        has such, and taken out of `state`, one after the other: plain and packed weights need not both fit in memory.
        """
    def decode(
        self,
        latents: torch.Tensor,
        tap: collections.abc.Callable[[str, torch.Tensor], None] | None = None,
        strip: int = 0,
    ) -> torch.Tensor: ...
    def encode(
        self,
        images: torch.Tensor,
        tap: collections.abc.Callable[[str, torch.Tensor], None] | None = None,
        strip: int = 0,
        poll: collections.abc.Callable[[], None] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Mean and standard deviation of the posterior over latents.

        strip: maps are computed in strips of at most so many elements, 0: whole; the same to rounding.
        """
    @property
    def config(self) -> VAEConfig: ...
    @property
    def like(self) -> torch.Tensor:
        """
        An empty tensor of the weights' dtype on their device.
        """
    @property
    def packed(self) -> bool: ...
    @property
    def parameters(self) -> dict[str, torch.Tensor]:
        """
        Weights by name. A packed model writes them out anew.
        """
    @property
    def weight_bytes(self) -> int:
        """
        Of all weights, as they are kept.
        """

class DDIMConfig:
    beta_schedule: str
    set_alpha_to_one: bool
    timestep_spacing: str
    def __init__(self) -> None: ...
    @property
    def beta_end(self) -> float: ...
    @beta_end.setter
    def beta_end(self, arg0: float) -> None: ...
    @property
    def beta_start(self) -> float: ...
    @beta_start.setter
    def beta_start(self, arg0: float) -> None: ...
    @property
    def num_train_timesteps(self) -> int: ...
    @num_train_timesteps.setter
    def num_train_timesteps(self, arg0: int) -> None: ...
    @property
    def steps_offset(self) -> int: ...
    @steps_offset.setter
    def steps_offset(self, arg0: int) -> None: ...

class DDIMStep:
    def pred_x0(self, eps: torch.Tensor, sample: torch.Tensor) -> torch.Tensor: ...
    def prev_sample(
        self, eps: torch.Tensor, pred_x0: torch.Tensor, noise: torch.Tensor | None = None
    ) -> torch.Tensor: ...
    @property
    def direction(self) -> float: ...
    @property
    def sigma(self) -> float: ...
    @property
    def sqrt_alpha(self) -> float: ...
    @property
    def sqrt_alpha_prev(self) -> float: ...
    @property
    def sqrt_beta(self) -> float: ...
    @property
    def timestep(self) -> int: ...

class Combination:
    @property
    def noise(self) -> float: ...
    @property
    def sample(self) -> float: ...
    @property
    def x0(self) -> typing.Annotated[list[float], "FixedSize(3)"]: ...

class MultistepStep:
    @property
    def alpha(self) -> float: ...
    @property
    def corrector(self) -> Combination: ...
    @property
    def corrects(self) -> bool: ...
    @property
    def predictor(self) -> Combination: ...
    @property
    def sigma(self) -> float: ...
    @property
    def timestep(self) -> int: ...

class Solver:
    def __init__(self, name: str, config: DDIMConfig, steps: int, eta: float = 1.0) -> None:
        """
        One trajectory, whose steps are taken in their order.
        """
    def pred_x0(self, step: int, eps: torch.Tensor, sample: torch.Tensor) -> torch.Tensor: ...
    def prev_sample(
        self,
        step: int,
        eps: torch.Tensor,
        pred_x0: torch.Tensor,
        sample: torch.Tensor,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor: ...
    def timestep(self, step: int) -> int: ...
    @property
    def draws_noise(self) -> bool: ...

class LargeBlocksMapped:
    """
    Within `with`, blocks of 8 MB and more go back to the system once they are free: slower (glibc alone).
    """
    def __enter__(self) -> None: ...
    def __exit__(self, *args) -> None: ...
    def __init__(self) -> None: ...

def alphas_cumprod(config: DDIMConfig) -> list[float]: ...
def check_options(
    scheduler: DDIMConfig,
    steps: int,
    guidance: float,
    eta: float,
    solver: str = "ddim",
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    cache_interval: int = 1,
    token_downsampling: int = 1,
    int8_scores: bool = False,
) -> None:
    """
    ValueError for what `tryon` would refuse of these.
    """

def ddim_steps(config: DDIMConfig, steps: int, eta: float) -> list[DDIMStep]: ...
def guide(both: torch.Tensor, scale: float) -> torch.Tensor: ...
def is_masked(unet: UNetConfig, vae: VAEConfig) -> bool:
    """
    True: a masked model (9 channels), False: mask-free (8); ValueError otherwise.
    """

def multistep_steps(config: DDIMConfig, solver: str, steps: int) -> list[MultistepStep]: ...
def tryon(
    unet: UNet | StreamedUNet,
    vae: VAE | collections.abc.Callable[[], VAE],
    person: torch.Tensor,
    garment: torch.Tensor | tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    scheduler: DDIMConfig,
    steps: int,
    guidance: float,
    eta: float,
    noise: collections.abc.Callable[[list[int]], torch.Tensor],
    on_step: collections.abc.Callable[[int, int, torch.Tensor], None] | None = None,
    tap: collections.abc.Callable[[str, torch.Tensor], None] | None = None,
    one_by_one: bool = False,
    strip: int = 0,
    on_estimate: collections.abc.Callable[[torch.Tensor], None] | None = None,
    poll: collections.abc.Callable[[], None] | None = None,
    poll_seconds: float = 0.05,
    solver: str = "ddim",
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    cache_interval: int = 1,
    token_downsampling: int = 1,
    int8_scores: bool = False,
) -> torch.Tensor:
    """
    vae: the VAE, or a function that gives it when it is needed.
    garment: its picture, or mean and std of its latents.
    one_by_one: guidance's branches one after the other. strip: as of VAE.encode.
    poll: called between layers, no more often than every poll_seconds.
    solver, guidance_interval, cache_interval, token_downsampling, int8_scores: as of TryOn.
    """

__built_with_torch__: str = "2.14.1"
__cuda_architectures__: str = "75-real 80-real 86-real 89-real 90-real 100-real 120"
__version__: str = "0.1.0"
