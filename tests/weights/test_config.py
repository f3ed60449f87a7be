"""config.json and scheduler_config.json as diffusers understands them; what the engine lacks is refused by name."""

import json

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

from catvton import weights
from catvton._native import C
from catvton.weights.config import UNET_FIXED, VAE_FIXED, unet_config, vae_config
from synthetic_weights import SCHEDULER, TINY_UNET, TINY_VAE, UNET, VAE

UNETS = {
    "sd15": UNET,
    "tiny": TINY_UNET,
    "lists": TINY_UNET | {"layers_per_block": [1, 2, 1, 3], "attention_head_dim": [2, 4, 8, 16]},
    "deep": TINY_UNET | {"transformer_layers_per_block": [1, 2, 3, 1]},
    "linear": TINY_UNET | {"use_linear_projection": True},
    "attention everywhere": TINY_UNET
    | {"down_block_types": ["CrossAttnDownBlock2D"] * 4, "up_block_types": ["CrossAttnUpBlock2D"] * 4},
    "plain middle": TINY_UNET | {"mid_block_type": "UNetMidBlock2D"},
    "two levels": TINY_UNET
    | {
        "block_out_channels": [32, 64],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "in_channels": 8,
        "norm_num_groups": 16,
        "norm_eps": 1e-6,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
    },
}
VAES = {"sd15": VAE, "tiny": TINY_VAE, "no middle attention": TINY_VAE | {"mid_block_add_attention": False}}
VAES["no quant"] = TINY_VAE | {"use_quant_conv": False, "use_post_quant_conv": False, "scaling_factor": 0.5}


def written(folder, fields, name="config.json"):
    (folder / name).write_text(json.dumps(fields))
    return folder / name


def on_meta(model, fields):
    with torch.device("meta"):
        return model.from_config(fields)


def shapes(model):
    return {name: list(t.shape) for name, t in model.state_dict().items() if ".attn2." not in name}


@pytest.mark.parametrize("fields", UNETS.values(), ids=UNETS)
def test_unet_config_describes_diffusers_unet(tmp_path, fields):
    theirs, config = on_meta(UNet2DConditionModel, fields), unet_config(written(tmp_path, fields))
    assert C.UNet.shapes(config) == shapes(theirs)
    modules = dict(theirs.named_modules())
    for name in config.self_attentions:
        block = name.split(".")[0], int(name.split(".")[1]) if "mid" not in name else -1
        level = -1 - block[1] if block[0] == "up_blocks" else block[1]
        assert config.attention_heads[level] == modules[name].heads, name
    assert {name for name in modules if name.endswith("attn1")} == set(config.self_attentions)
    for name in ("norm_eps", "norm_num_groups", "flip_sin_to_cos", "freq_shift"):
        assert getattr(config, name) == pytest.approx(theirs.config[name])


@pytest.mark.parametrize("fields", VAES.values(), ids=VAES)
def test_vae_config_describes_diffusers_vae(tmp_path, fields):
    theirs, config = on_meta(AutoencoderKL, fields), vae_config(written(tmp_path, fields))
    assert C.VAE.shapes(config) == shapes(theirs)
    for name in ("scaling_factor", "norm_num_groups", "layers_per_block", "latent_channels"):
        assert getattr(config, name) == theirs.config[name]


@pytest.mark.parametrize("model, kind", [(UNet2DConditionModel, C.UNetConfig), (AutoencoderKL, C.VAEConfig)])
def test_missing_fields_have_diffusers_defaults(tmp_path, model, kind):
    read = {C.UNetConfig: unet_config, C.VAEConfig: vae_config}[kind]
    network = {C.UNetConfig: C.UNet, C.VAEConfig: C.VAE}[kind]
    assert network.shapes(read(written(tmp_path, {}))) == shapes(on_meta(model, {}))


def test_inferred_config_equals_the_written_one(tmp_path):
    for fields in (UNET, VAE):
        read, kind = (unet_config, C.UNetConfig) if fields is UNET else (vae_config, C.VAEConfig)
        config = read(written(tmp_path, fields))
        inferred = kind.infer((C.UNet if fields is UNET else C.VAE).shapes(config))
        names = [name for name, value in vars(kind).items() if isinstance(value, property)]
        assert {n: getattr(inferred, n) for n in names} == {n: getattr(config, n) for n in names}


def test_num_attention_heads_wins_over_attention_head_dim(tmp_path):
    fields = TINY_UNET | {"attention_head_dim": 8, "num_attention_heads": 4}
    assert unet_config(written(tmp_path, fields)).attention_heads == [4, 4, 4, 4]


@pytest.mark.parametrize(
    "field, value",
    [
        ("act_fn", "gelu"),
        ("addition_embed_type", "text_time"),
        ("class_embed_type", "timestep"),
        ("conv_in_kernel", 1),
        ("down_block_types", ["CrossAttnDownBlock2D", "AttnDownBlock2D"]),
        ("dual_cross_attention", True),
        ("encoder_hid_dim", 1024),
        ("mid_block_type", "UNetMidBlock2DSimpleCrossAttn"),
        ("mid_block_type", None),
        ("num_class_embeds", 10),
        ("only_cross_attention", True),
        ("only_cross_attention", [True, False, False, False]),
        ("resnet_time_scale_shift", "scale_shift"),
        ("time_cond_proj_dim", 256),
        ("time_embedding_type", "fourier"),
        ("up_block_types", "UpBlock2D"),
        ("in_channels", "9"),
        ("in_channels", True),
        ("block_out_channels", [32, -64]),
        ("layers_per_block", 10**9),
        ("layers_per_block", [2, 2]),
        ("attention_head_dim", 2.5),
        ("norm_eps", "small"),
        ("norm_num_groups", None),
        ("use_linear_projection", 1),
    ],
)
def test_unsupported_field_of_a_unet(tmp_path, field, value):
    file = written(tmp_path, TINY_UNET | {field: value})
    with pytest.raises(weights.WeightsError) as error:
        unet_config(file)
    assert str(file) in str(error.value) and field in str(error.value)


@pytest.mark.parametrize(
    "field, value",
    [
        ("act_fn", "relu"),
        ("latents_mean", [0.0] * 4),
        ("shift_factor", 0.1),
        ("down_block_types", ["AttnDownEncoderBlock2D"]),
        ("scaling_factor", 0),
    ],
)
def test_unsupported_field_of_a_vae(tmp_path, field, value):
    with pytest.raises(weights.WeightsError, match=field):
        vae_config(written(tmp_path, TINY_VAE | {field: value}))


@pytest.mark.parametrize("model, fixed", [(UNet2DConditionModel, UNET_FIXED), (AutoencoderKL, VAE_FIXED)])
def test_what_is_fixed_are_diffusers_defaults(model, fixed):
    defaults = on_meta(model, {}).config
    assert {name for name in fixed if defaults[name] not in fixed[name]} == set()


@pytest.mark.parametrize("text", ["", "{", "[]", "<html>", "\x00", '"x"'])
def test_damaged_json(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(weights.WeightsError, match=r"config\.json"):
        unet_config(tmp_path / "config.json")


class TestScheduler:
    @pytest.mark.parametrize(
        "changed",
        [
            {},
            {"_class_name": "PNDMScheduler", "skip_prk_steps": True, "clip_sample": False},
            {"_class_name": "EulerAncestralDiscreteScheduler", "interpolation_type": "linear"},
            {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02, "set_alpha_to_one": True},
            {"num_train_timesteps": 500, "timestep_spacing": "trailing"},
            {"timestep_spacing": "linspace", "steps_offset": 0},
        ],
    )
    def test_is_the_schedule_that_diffusers_ddim_reads(self, tmp_path, changed):
        config = weights.load_scheduler(written(tmp_path, SCHEDULER | changed, "scheduler_config.json").parent)
        theirs = DDIMScheduler.from_pretrained(tmp_path)
        torch.testing.assert_close(torch.tensor(C.alphas_cumprod(config)), theirs.alphas_cumprod, rtol=1e-6, atol=0)
        theirs.set_timesteps(7)
        steps = C.ddim_steps(config, 7, 0.0)
        assert [step.timestep for step in steps] == theirs.timesteps.tolist()
        final = theirs.final_alpha_cumprod.sqrt().item()
        assert steps[-1].sqrt_alpha_prev == pytest.approx(final, rel=1e-6)

    def test_without_a_file_it_is_that_of_stable_diffusion(self, tmp_path):
        file = written(tmp_path, SCHEDULER, "scheduler_config.json")
        assert C.alphas_cumprod(weights.load_scheduler(None)) == C.alphas_cumprod(weights.load_scheduler(file))

    @pytest.mark.parametrize("name", ["PNDMScheduler", "EulerDiscreteScheduler"])
    def test_a_scheduler_that_never_clips_need_not_say_so(self, tmp_path, name):
        fields = {key: value for key, value in SCHEDULER.items() if key != "clip_sample"} | {"_class_name": name}
        weights.load_scheduler(written(tmp_path, fields, "scheduler_config.json"))

    @pytest.mark.parametrize(
        "changed, field",
        [
            ({"prediction_type": "v_prediction"}, "prediction_type"),
            ({"clip_sample": True}, "clip_sample"),
            ({"thresholding": True}, "thresholding"),
            ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr"),
            ({"trained_betas": [0.1, 0.2]}, "trained_betas"),
            ({"beta_schedule": "squaredcos_cap_v2"}, "beta_schedule"),
            ({"timestep_spacing": "karras"}, "timestep_spacing"),
        ],
    )
    def test_unsupported_field(self, tmp_path, changed, field):
        with pytest.raises(weights.WeightsError, match=field):
            weights.load_scheduler(written(tmp_path, SCHEDULER | changed, "scheduler_config.json"))

    def test_ddim_clips_where_it_does_not_say_otherwise(self, tmp_path):
        fields = {key: value for key, value in SCHEDULER.items() if key != "clip_sample"}
        assert DDIMScheduler.from_config(fields).config.clip_sample
        with pytest.raises(weights.WeightsError, match="clip_sample"):
            weights.load_scheduler(written(tmp_path, fields, "scheduler_config.json"))
