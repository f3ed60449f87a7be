"""One way to run CatVTON's UNet on a CPU, in a process of its own: peers.py starts one of each and asks it in turns.

Answers in lines of JSON: "ready" when the network is there, then, for every line that it reads, the seconds of a call.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from networks import SIZES

from catvton._native import C
from catvton.memory import peak_resident

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import support


class Step(torch.nn.Module):
    """A diffusers UNet with the signature that is converted."""

    def __init__(self, unet: torch.nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timesteps):
        return support.run_unet(self.unet, sample, timesteps)


def ours(unet, sample, timesteps, args) -> Callable[[], np.ndarray]:
    native = C.UNet(*taken_from(unet), pack=True)
    return lambda: native(sample, timesteps).float().numpy()


def direct(unet, sample, timesteps, args) -> Callable[[], np.ndarray]:
    """Ours with every convolution summed directly."""
    os.environ["CATVTON_WINOGRAD"] = "0"
    return ours(unet, sample, timesteps, args)


def int8(unet, sample, timesteps, args) -> Callable[[], np.ndarray]:
    """Ours in eight bits, an approximation."""
    native = C.UNet.int8(*taken_from(unet))
    return lambda: native(sample, timesteps).float().numpy()


def taken_from(unet) -> tuple[dict[str, torch.Tensor], C.UNetConfig]:
    """Weights and config. As with a file's tensors, packing lets go of each weight, and memory holds it once."""
    state, config = support.unet_weights(unet), support.unet_config(unet)
    for parameter in unet.parameters():
        parameter.data = parameter.new_empty(0)
    return state, config


def diffusers(unet, sample, timesteps, args) -> Callable[[], np.ndarray]:
    unet, sample = (x.to(memory_format=torch.channels_last) for x in (unet, sample))
    return lambda: support.run_unet(unet, sample, timesteps).float().numpy()


def compiled(unet, sample, timesteps, args) -> Callable[[], np.ndarray]:
    unet, sample = (
        torch.compile(unet.to(memory_format=torch.channels_last)),
        sample.to(memory_format=torch.channels_last),
    )
    return lambda: support.run_unet(unet, sample, timesteps).float().numpy()


def openvino(unet, sample, timesteps, args, quantize=lambda converted, inputs: converted) -> Callable[[], np.ndarray]:
    import openvino as ov

    sample, timesteps = sample.float(), timesteps.float()
    converted = ov.convert_model(Step(unet.float()), example_input=(sample, timesteps))
    converted.reshape({0: list(sample.shape), 1: list(timesteps.shape)})  # static shapes are its best setting
    inputs = [sample.numpy(), timesteps.numpy()]
    hint = {"bfloat16": "bf16", "float32": "f32"}[args.dtype]
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": args.threads}
    network = ov.compile_model(quantize(converted, inputs), "CPU", options)
    return lambda: network(inputs)[0]


def openvino_int8(unet, sample, timesteps, args) -> Callable[[], np.ndarray]:
    """Quantized after training by nncf, which is calibrated on the very input that is timed."""
    import nncf

    def quantize(converted, inputs):
        return nncf.quantize(converted, nncf.Dataset([inputs]), subset_size=1, model_type=nncf.ModelType.TRANSFORMER)

    return openvino(unet, sample, timesteps, args, quantize)


def onnxruntime(unet, sample, timesteps, args) -> Callable[[], np.ndarray]:
    import onnxruntime as ort

    if args.dtype != "float32":
        raise RuntimeError("its CPU kernels know no bfloat16")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "unet.onnx")  # of a Path, weights of more than 2 GB are not written beside it
        torch.onnx.export(
            Step(unet), (sample, timesteps), file, input_names=["sample", "timesteps"], dynamo=False, opset_version=17
        )
        options = ort.SessionOptions()
        options.intra_op_num_threads = args.threads
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    inputs = {"sample": sample.numpy(), "timesteps": timesteps.numpy()}
    return lambda: session.run(None, inputs)[0]


PEERS = {
    "ours": ours,
    "direct": direct,
    "int8": int8,
    "diffusers": diffusers,
    "compiled": compiled,
    "openvino": openvino,
    "openvino_int8": openvino_int8,
    "onnxruntime": onnxruntime,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", choices=list(SIZES), default="full at 512x384", help="default %(default)s")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="float32", help="default %(default)s")
    parser.add_argument("--batch", type=int, default=1, help="2 is a step with guidance; default %(default)s")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default %(default)s")


def answer(**fields: object) -> None:
    print(json.dumps(fields), file=sys.__stdout__, flush=True)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("result", type=Path, help="file for the first call's output (.npy)")
    arguments(parser)
    args = parser.parse_args()
    sys.stdout = sys.stderr  # libraries print; answers alone go out
    torch.set_num_threads(args.threads)
    config, _, (height, width) = SIZES[args.size]
    unet = support.diffusers_unet(**config).to(getattr(torch, args.dtype))
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(args.batch, 9, 2 * height // 8, width // 8, generator=generator).to(unet.dtype)
    timesteps = torch.full((args.batch,), 501.0)
    try:
        call = PEERS[args.peer](unet, sample, timesteps, args)
        del unet
        gc.collect()
        np.save(args.result, call())
    except Exception as error:  # whatever another program raises: the others are measured all the same
        answer(problem=f"{type(error).__name__}: {error}".splitlines()[0])
        return
    answer(ready=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        call()
        answer(seconds=time.perf_counter() - began, peak_bytes=peak_resident())


if __name__ == "__main__":
    main()
