"""200 damaged files: each gives a clear error that names the file and, where one is at fault, the tensor; none crashes.

The files are loaded in another process, in batches with a time limit. A flipped bit may be harmless (in metadata, say):
then the model must be the sound one, to the bit.
"""

import io
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from catvton._native import C
from catvton.weights.config import unet_config, vae_config
from synthetic_weights import TINY_UNET, TINY_VAE, values

UNET = TINY_UNET | {
    "block_out_channels": [32, 32],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
}
VAE = TINY_VAE | {
    "block_out_channels": [16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 1,
}
BATCHES, PER_BATCH, SECONDS = 4, 50, 300
NETWORKS = ("unet", "vae", "attention")
NO_WEIGHTS = {
    "empty": b"",
    "web page": b"<!DOCTYPE html>\n<html><head><title>401: please log in</title></head></html>",
    "git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 198303368\n",
    "zeros": bytes(4096),
    "text": b"Not found\n",
    "header of 2^63 bytes": (2**63).to_bytes(8, "little") + b"{}",
    "header without an end": (100).to_bytes(8, "little") + b'{"a":' + b" " * 95,
}


class Danger:
    """A pickle that runs code when it is opened without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Small sound weights: name of the network -> its folder, and its tensors."""
    folder = tmp_path_factory.mktemp("sound")
    for name, fields in (("unet", UNET), ("vae", VAE)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(fields))
    (folder / "attention").mkdir()
    config = unet_config(folder / "unet" / "config.json")
    shapes = {"unet": C.UNet.shapes(config), "vae": C.VAE.shapes(vae_config(folder / "vae" / "config.json"))}
    tensors = {name: {key: values(key, shape, 0) for key, shape in found.items()} for name, found in shapes.items()}
    tensors["attention"] = {
        f"{8 * index}.{key.split('.attn1.')[1]}": values(key, shape, 1)
        for index, module in enumerate(config.self_attentions)
        for key, shape in shapes["unet"].items()
        if key.startswith(module + ".")
    }
    return folder, tensors


def to_bytes(tensors, suffix):
    if suffix == "safetensors":
        return save(tensors, metadata={"format": "pt"})
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue()


def structure(content, suffix):
    """Ranges of bytes that are not tensors' values."""
    if suffix == "safetensors":
        return [range(8 + int.from_bytes(content[:8], "little"))]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = sorted(archive.infolist(), key=lambda record: record.header_offset)
        ranges = [range(archive.start_dir, len(content))]
    for record in records:
        name = record.header_offset + 30
        length = record.file_size if "/data/" not in record.filename else 0
        # The padding that aligns a record is not looked at, and so not damaged here.
        ranges.append(range(record.header_offset, name + len(record.filename)))
        ranges.append(range(_start(content, record), _start(content, record) + length))
    return [part for part in ranges if len(part)]


def _start(content, record):
    at = record.header_offset
    name, extra = (int.from_bytes(content[at + field : at + field + 2], "little") for field in (26, 28))
    return at + 30 + name + extra


def flip_bits(content, suffix, rng):
    damaged = bytearray(content)
    parts = structure(content, suffix)
    for _ in range(rng.randint(1, 3)):
        at = rng.choice(rng.choices(parts, weights=[len(part) for part in parts])[0])
        damaged[at] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def damage(tensors, suffix, rng, folder):
    """Damaged content of a file, what was done, and texts that the error must hold."""
    state, key = dict(tensors), rng.choice(sorted(tensors))
    kind = rng.choice(
        ["truncated", "bits", "bits", "dtype", "shape", "renamed", "missing", "extra", "no weights", "code"]
    )
    if kind == "truncated":
        content = to_bytes(state, suffix)
        return content[: rng.randrange(1, len(content))], kind, []
    if kind == "bits":
        return flip_bits(to_bytes(state, suffix), suffix, rng), kind, []
    if kind == "dtype":
        dtype = rng.choice([torch.int64, torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn])
        state[key] = state[key].to(dtype)
        return to_bytes(state, suffix), f"{kind} {dtype}", [key, "expected float32, bfloat16 or float16"]
    if kind == "shape":
        t = state[key]
        state[key] = rng.choice([t[1:], t[None], torch.cat([t, t]), t.new_zeros(0)]).contiguous()
        return to_bytes(state, suffix), kind, [key, str(list(t.shape)), str(list(state[key].shape))]
    if kind == "renamed":
        renamed = key.replace("weight", "wieght").replace("bias", "bais")
        state[renamed] = state.pop(key)
        return to_bytes(state, suffix), kind, [f"missing {key}", f"unexpected {renamed}"]
    if kind == "missing":
        del state[key]
        return to_bytes(state, suffix), kind, [f"missing {key}"]
    if kind == "extra":
        state["nobody.knows.weight"] = torch.zeros(3)
        return to_bytes(state, suffix), kind, ["unexpected nobody.knows.weight [3]"]
    if kind == "no weights":
        name = rng.choice(sorted(NO_WEIGHTS))
        return NO_WEIGHTS[name], name, [name] if name in ("empty", "web page", "git-lfs pointer") else []
    buffer = io.BytesIO()
    torch.save(state | {"danger": Danger(folder / "run")}, buffer)
    return buffer.getvalue(), kind, ["holds more than weights"]


def write_cases(batch, states, folder):
    sound, tensors = states
    rng = random.Random(batch)
    cases = {"sound": {}, "damaged": []}
    for network in NETWORKS:
        file = sound / network / "diffusion_pytorch_model.safetensors"
        file.write_bytes(to_bytes(tensors[network], "safetensors"))
        cases["sound"][network] = {"network": network, "file": str(file), "base": str(sound / "unet")}
    for index in range(PER_BATCH):
        network, suffix = NETWORKS[index % 3], ("safetensors", "bin")[index // 3 % 2]
        place = folder / f"{index:03}"
        place.mkdir()
        if network != "attention":
            (place / "config.json").write_bytes((sound / network / "config.json").read_bytes())
        content, what, expected = damage(tensors[network], suffix, rng, place)
        file = place / f"diffusion_pytorch_model.{suffix}"
        file.write_bytes(content)
        case = {"network": network, "file": str(file), "base": str(sound / "unet"), "what": what, "expected": expected}
        cases["damaged"].append(case)
    (folder / "cases.json").write_text(json.dumps(cases))
    return cases["damaged"]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_files_give_clear_errors(batch, states, tmp_path):
    cases = write_cases(batch, states, tmp_path)
    script = Path(__file__).with_name("load_damaged.py")
    command = [sys.executable, str(script), str(tmp_path / "cases.json")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment())
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, f"crashed at {lines[-1] if lines else 'start'}:\n{ran.stderr}"
    outcomes = lines[1::2]
    assert len(outcomes) == len(cases)
    problems = [text for case, outcome in zip(cases, outcomes, strict=True) for text in judge(case, outcome)]
    assert not problems, "\n".join(problems)
    assert not list(tmp_path.glob("*/run")), "a pickle ran code"


def judge(case, outcome):
    """What is wrong with the outcome of a case."""
    title = f"{case['file']} ({case['what']})"
    if outcome["loaded"]:
        return [] if case["what"] == "bits" and outcome["same"] else [f"{title}: was loaded, same: {outcome['same']}"]
    wanted = [case["file"], *case["expected"]]
    problems = [f"{title}: no {text!r} in: {outcome['message']}" for text in wanted if text not in outcome["message"]]
    if outcome["type"] != "WeightsError":
        problems.append(f"{title}: {outcome['type']}: {outcome['message']}")
    return problems


def environment():
    """This process' import path, for the other one."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
