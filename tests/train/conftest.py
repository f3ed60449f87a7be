"""Networks small enough to train within a test, as files, the way that a user has them."""

import os
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from catvton._native import C
from catvton.train.export import save_unet, save_vae
from catvton.train.networks import fresh_unet, fresh_vae


def tiny_unet_config():
    config = C.UNetConfig()
    config.block_out_channels = [8, 16]
    config.down_block_attention, config.up_block_attention = [True, False], [False, True]
    config.layers_per_block, config.attention_heads = [2, 1], [2, 4]
    config.transformer_layers_per_block = [1, 1]
    config.norm_num_groups = 4
    return config


def tiny_vae_config():
    config = C.VAEConfig()
    config.block_out_channels = [8, 8, 8, 8]
    config.layers_per_block = 1
    config.norm_num_groups = 4
    return config


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """unet, vae: state dicts of fresh weights (conv_out not zero); base, vae_folder: the same on disk."""
    folder = tmp_path_factory.mktemp("tiny")
    unet, vae = fresh_unet(tiny_unet_config(), 1), fresh_vae(tiny_vae_config(), 2)
    torch.nn.init.normal_(unet["conv_out.weight"], std=0.1, generator=torch.Generator().manual_seed(0))
    save_unet(C.UNet(unet, tiny_unet_config()), folder / "unet")
    save_vae(C.VAE(vae, tiny_vae_config()), folder / "vae", 1.0)
    return SimpleNamespace(unet=unet, vae=vae, base=folder / "unet", vae_folder=folder / "vae", folder=folder)


@pytest.fixture
def tiny_unet(tiny):
    return C.UNet({name: weight.clone() for name, weight in tiny.unet.items()}, tiny_unet_config())


@pytest.fixture
def tiny_vae(tiny):
    return C.VAE({name: weight.clone() for name, weight in tiny.vae.items()}, tiny_vae_config())


@pytest.fixture(scope="session")
def latents(tiny, tmp_path_factory):
    """A cache that runs share: what the tiny VAE makes of eight drawn samples."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def arguments(tiny, latents):
    """arguments(out, "--steps", "3"): a short run of `catvton train` on eight drawn samples."""

    def build(out, *more):
        fixed = f"--size 64x48 --samples 8 --batch-size 2 --threads 1 --quiet --learning-rate 1e-3 --cache {latents}"
        return [*fixed.split(), "--base", str(tiny.base), "--vae", str(tiny.vae_folder), "--out", str(out), *more]

    return build


@pytest.fixture
def small_files():
    """with small_files(1000): no file may grow larger: the system itself refuses to write, as on a full disk."""
    resource = pytest.importorskip("resource", reason="limits of a process are Unix's")

    @contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def start():
    """start(arguments, ...): `catvton train` in a process of its own."""
    running = []

    def launch(arguments, *launcher):
        command = [sys.executable, *launcher, "-m", "catvton.train.cli", *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        running.append(process)
        return process

    yield launch
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
