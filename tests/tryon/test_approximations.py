"""What may be left out of a try-on, against a plain Python loop over diffusers' modules that leaves out the same.

DeepCache is written from its paper and its reference implementation (cache_branch_id of the outermost downsampler),
token downsampling as loops over windows.
"""

from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton import streaming
from catvton._native import C
from reference import noise_for
from support import (
    SkipAttention,
    assert_close,
    attention_in_int8,
    diffusers_unet,
    diffusers_vae,
    native_unet,
    native_vae,
    run_unet,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers under numpy 2

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
ONE_LEVEL = {
    "block_out_channels": (32,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "up_block_types": ("CrossAttnUpBlock2D",),
}
THREE_LEVELS = {
    "block_out_channels": (32, 32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 2,
}
LEVELS = {"one": ONE_LEVEL, "two": {}, "three": THREE_LEVELS}
HOW = ("at once", "one by one", "streamed")


def scheduler_of(solver):
    if solver == "unipc":
        return UniPCMultistepScheduler(**SCHEDULE, timestep_spacing="leading")
    if solver == "sde-dpm++":
        return DPMSolverMultistepScheduler(
            **SCHEDULE, timestep_spacing="leading", algorithm_type="sde-dpmsolver++", solver_order=2
        )
    return DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False)


class Attention:
    """Self-attention, with scores in eight bits if so asked."""

    def __init__(self, int8_scores):
        self.int8_scores = int8_scores

    def windows(self, tokens):
        return tokens

    def __call__(self, attn, hidden_states, *args, **kwargs):
        seen = self.windows(hidden_states)
        q, k, v = (
            t.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for t in (attn.to_q(hidden_states), attn.to_k(seen), attn.to_v(seen))
        )
        if self.int8_scores:
            mixed = attention_in_int8(q, k, v).to(v.dtype)
        else:
            mixed = torch.softmax(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5, dim=-1) @ v
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


class MeansOfWindows(Attention):
    """Over a joined map [height, width]; keys and values are means, window by window."""

    def __init__(self, height, width, factor, dim, int8_scores):
        super().__init__(int8_scores)
        self.height, self.width, self.factor, self.dim = height, width, factor, dim

    def windows(self, tokens):
        batch, _, channels = tokens.shape
        grid = tokens.reshape(batch, self.height, self.width, channels)
        means = []
        for half in grid.chunk(2, dim=self.dim - 1):
            for y in range(0, half.shape[1], self.factor):
                for x in range(0, half.shape[2], self.factor):
                    means.append(half[:, y : y + self.factor, x : x + self.factor].mean(dim=(1, 2)))
        return torch.stack(means, dim=1)


def with_shortcuts(unet, height, width, factor, masked, int8_scores):
    """Sets them: windows in the outermost level's self-attentions, eight bits in all."""
    for name, module in unet.named_modules():
        if int8_scores and name.endswith("attn1"):
            module.set_processor(Attention(int8_scores))
    if factor == 1:
        return unet
    for block in (unet.down_blocks[0], unet.up_blocks[-1]):
        for attention in getattr(block, "attentions", []):
            for layer in attention.transformer_blocks:
                layer.attn1.set_processor(MeansOfWindows(height, width, factor, 2 if masked else 3, int8_scores))
                assert isinstance(layer.attn2.processor, SkipAttention)
    return unet


def whole(unet, sample, t):
    """-> noise, and what enters the last block of the way up."""
    seen = []
    hook = unet.up_blocks[-1].register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["hidden_states"]), with_kwargs=True
    )
    noise = run_unet(unet, sample, t)
    hook.remove()
    return noise, seen[0]


def around(unet, sample, t, deep):
    """conv_in, the outermost block down without its downsampler, the outermost block up, conv_out."""
    text = sample.new_zeros(len(sample), 1, unet.config.cross_attention_dim)
    temb = unet.time_embedding(unet.time_proj(t.expand(len(sample))))
    h = unet.conv_in(sample)
    _, outputs = unet.down_blocks[0](hidden_states=h, temb=temb, encoder_hidden_states=text)
    skips = (h, *outputs[: len(unet.down_blocks[0].resnets)])
    h = unet.up_blocks[-1](hidden_states=deep, temb=temb, res_hidden_states_tuple=skips, encoder_hidden_states=text)
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(h)))


def expected(unet, condition, unconditional, extra, noise, options):
    """The final latents by loops: branch by branch, step by step."""
    scheduler = scheduler_of(options["solver"])
    scheduler.set_timesteps(options["steps"])
    (start, stop), every = options["guidance_interval"], options["cache_interval"]
    latents, kept = next(noise), {}
    for i, t in enumerate(scheduler.timesteps):
        guided = options["guidance"] > 1 and start <= i / options["steps"] < stop
        branches = {"cond": condition} | ({"uncond": unconditional} if guided else {})
        if i % every == 0 or not set(branches) <= set(kept):
            kept = {}
        eps = {}
        for name, garment in branches.items():
            sample = torch.cat([latents, *extra, garment], dim=1)
            if name in kept:
                eps[name] = around(unet, sample, t, kept[name])
            else:
                eps[name], deep = whole(unet, sample, t)
                if every > 1:
                    kept[name] = deep
        made = eps["cond"]
        if guided:
            made = eps["uncond"] + options["guidance"] * (eps["cond"] - eps["uncond"])
        more = {}
        if options["solver"] == "sde-dpm++":
            more = {"variance_noise": next(noise)}
        elif options["solver"] == "ddim":
            more = {"eta": 1.0, "variance_noise": next(noise)}
        latents = scheduler.step(made, t, latents, **more).prev_sample
    return latents


def both(how, masked, levels, batch, latent_size, options, seed=0):
    """Final latents: the engine's, and the loop's from the engine's own conditions."""
    unet = diffusers_unet(seed, in_channels=9 if masked else 8, **LEVELS[levels])
    vae = native_vae(diffusers_vae(seed))
    h, w = latent_size
    person, garment = torch.rand(2, batch, 3, 2 * h, 2 * w) * 2 - 1
    mask = (torch.rand(batch, 1, 2 * h, 2 * w) > 0.5).float() if masked else None
    noise = noise_for(masked, batch, latent_size, options["steps"], float(options["solver"] != "unipc"), seed)
    network, drawn, seen = native_unet(unet), iter(noise), {}
    if how == "streamed":
        network = streaming.Streamer(network, torch.device("cpu"), 0.6, copies=True).network
    names = []

    def tap(name, value):
        names.append(name)
        seen[name] = value.clone()

    with torch.inference_mode():
        C.tryon(
            network, vae, person, garment, mask, C.DDIMConfig(),
            eta=1.0, noise=lambda shape: next(drawn), one_by_one=how == "one by one", tap=tap, **options,
        )  # fmt: skip
        assert next(drawn, None) is None  # all that was to be drawn was
        first = seen["step.000.unet_in"]
        condition = first[-batch:, 5 if masked else 4 :]
        unconditional = condition.clone()
        halves = unconditional.chunk(2, dim=2 if masked else 3)
        halves[1].zero_()
        extra = [first[-batch:, 4:5]] if masked else []
        with_shortcuts(unet, *first.shape[2:], options["token_downsampling"], masked, options["int8_scores"])
        want = expected(unet, condition, unconditional, extra, iter(noise[2:]), options)
    last = max(name for name in seen if name.endswith("prev_sample"))
    return seen[last], want, names


OFF = {
    "steps": 4,
    "guidance": 2.5,
    "solver": "ddim",
    "guidance_interval": (0.0, 1.0),
    "cache_interval": 1,
    "token_downsampling": 1,
    "int8_scores": False,
}
INT8 = C.ops.attends_in_int8(torch.empty(0))


@settings(max_examples=20)
@given(
    how=st.sampled_from(HOW),
    masked=st.booleans(),
    levels=st.sampled_from(list(LEVELS)),
    batch=st.integers(1, 2),
    latent_size=st.sampled_from(((4, 4), (5, 3), (3, 7), (8, 6))),
    steps=st.integers(1, 6),
    guidance=st.sampled_from((1.0, 2.5)),
    solver=st.sampled_from(("ddim", "unipc", "sde-dpm++")),
    guidance_interval=st.sampled_from(((0.0, 1.0), (0.0, 0.5), (0.3, 0.8), (0.5, 1.0))),
    cache_interval=st.sampled_from((1, 2, 3)),
    token_downsampling=st.sampled_from((1, 2, 3)),
    int8_scores=st.booleans() if INT8 else st.just(False),
    seed=st.integers(0, 100),
)
def test_together_they_are_the_loop(how, masked, levels, batch, latent_size, seed, **options):
    got, want, _ = both(how, masked, levels, batch, latent_size, options, seed)
    # An integer's rounding may go the other way where an input differs in its last bit.
    assert_close(got, want, 5e-4 if options["int8_scores"] else 1e-4)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    "options",
    [
        {"solver": "unipc"},
        {"solver": "sde-dpm++"},
        {"guidance_interval": (0.25, 0.75)},
        {"cache_interval": 2},
        {"cache_interval": 3, "guidance_interval": (0.4, 1.0), "steps": 5},
        {"token_downsampling": 2},
        pytest.param({"int8_scores": True}, marks=pytest.mark.skipif(not INT8, reason="needs AVX512-VNNI")),
    ],
    ids=str,
)
def test_each_is_the_loop_and_not_the_exact_result(how, options):
    got, want, _ = both(how, True, "two", 1, (6, 4), OFF | options)
    assert_close(got, want, 3e-5)
    exact, _, _ = both(how, True, "two", 1, (6, 4), OFF | {"steps": options.get("steps", 4)})
    least = 1e-4 if "int8_scores" in options else 1e-3
    assert (got - exact).abs().max() > least * exact.abs().max()


def test_a_window_of_one_token_is_exact():
    """A map whose halves fit into one window each: two keys in all, and they never mix."""
    got, want, _ = both("at once", True, "one", 1, (2, 2), OFF | {"token_downsampling": 2})
    assert_close(got, want, 3e-5)


def test_steps_between_two_whole_ones_leave_the_deep_levels_out():
    _, _, names = both("at once", True, "three", 1, (4, 4), OFF | {"steps": 5, "cache_interval": 2})
    step, whole_steps, outermost = None, [], []
    for name in names:
        if name.endswith(".unet_in"):
            step = name
        if name == "layer.unet.mid_block":
            whole_steps.append(step)
        if name == "layer.unet.up_blocks.2":
            outermost.append(step)
    assert whole_steps == [f"step.00{i}.unet_in" for i in (0, 2, 4)]
    assert outermost == [f"step.00{i}.unet_in" for i in range(5)]


def test_guidance_costs_nothing_outside_its_interval():
    seen = {}
    unet, vae = native_unet(diffusers_unet()), native_vae(diffusers_vae())
    with torch.inference_mode():
        C.tryon(
            unet, vae, torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8), C.DDIMConfig(),
            5, 2.5, 1.0, noise=torch.zeros, guidance_interval=(0.2, 0.6),
            tap=lambda name, value: seen.update({name: len(value)}) if name.endswith("unet_in") else None,
        )  # fmt: skip
    assert list(seen.values()) == [1, 2, 2, 1, 1]


def test_streaming_asks_for_the_outermost_level_alone():
    unet, asked = native_unet(diffusers_unet(**THREE_LEVELS)), []
    streamer = streaming.Streamer(unet, torch.device("cpu"), copies=True)

    def fetch(part, following):
        asked.append((part, following))
        return streamer.fetch(part, following)

    network = C.StreamedUNet(unet.config, torch.empty(0), fetch)
    pictures = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    vae = native_vae(diffusers_vae())
    with torch.inference_mode():
        C.tryon(network, vae, *pictures, C.DDIMConfig(), 2, 2.5, 1.0, noise=torch.zeros, cache_interval=2)
    parts, short = C.StreamedUNet.parts(unet.config), C.StreamedUNet.parts(unet.config, reuses=True)
    assert [part for part, _ in asked] == parts + short
    assert short == ["in", "down_blocks.0.0", "down_blocks.0.1", *(f"up_blocks.2.{i}" for i in range(3)), "out"]
    for (_, following), (part, _) in pairwise(asked):
        assert following == part


@pytest.mark.parametrize(
    "change, message",
    [
        ({"solver": "euler"}, r"solver must be ddim, unipc or sde-dpm\+\+, got euler"),
        ({"solver": "unipc", "steps": 1000}, "steps must be 1 to 999 with this solver, got 1000"),
        ({"guidance_interval": (0.5, 0.5)}, r"guidance_interval must be .* got \(0.5.*, 0.5.*\); guidance=1 turns"),
        ({"guidance_interval": (-0.1, 0.5)}, r"0 <= start < stop <= 1, got \(-0.1"),
        ({"guidance_interval": (0.0, float("nan"))}, "guidance_interval must be"),
        ({"cache_interval": 0}, r"cache_interval must be 1 \(off\) or more, got 0"),
        ({"token_downsampling": -2}, r"token_downsampling must be 1 \(off\) or more, got -2"),
    ],
)
def test_bad_options_are_refused_with_the_value(change, message):
    with pytest.raises(ValueError, match=message):
        C.check_options(C.DDIMConfig(), **{**OFF, "eta": 1.0, **change})
    pictures = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    with pytest.raises(ValueError, match=message):
        C.tryon(
            native_unet(diffusers_unet()), native_vae(diffusers_vae()), *pictures, C.DDIMConfig(),
            **{**OFF, "eta": 1.0, **change}, noise=torch.zeros, tap=lambda *_: pytest.fail("worked"),
        )  # fmt: skip
