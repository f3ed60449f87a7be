"""OpenVINO's UNet step beside the engine's, on the CPU. OpenVINO is no dependency of anything here: install it into an
environment of its own (`pip install openvino`) beside torch, diffusers and the engine.

python scripts/bench/openvino_peer.py [--dtype bfloat16|float32] [--height 512] [--width 384] [--threads N]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from networks import SD15_UNET
from rounds import Rounds

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import support


class Step(torch.nn.Module):
    """A diffusers UNet with the signature that is converted."""

    def __init__(self, unet: torch.nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timesteps):
        return support.run_unet(self.unet, sample, timesteps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    try:
        import openvino
    except ImportError as error:
        print(f"skipped: OpenVINO cannot be imported here ({error})")
        return
    torch.set_num_threads(args.threads)
    dtype = getattr(torch, args.dtype)
    theirs = support.diffusers_unet(**SD15_UNET)
    sample = torch.randn(1, 9, 2 * args.height // 8, args.width // 8)
    timesteps = torch.tensor([501.0])
    with torch.inference_mode():
        converted = openvino.convert_model(Step(theirs), example_input=(sample, timesteps))
        converted.reshape([sample.shape, timesteps.shape])
        hint = {"bfloat16": "bf16", "float32": "f32"}[args.dtype]
        options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": args.threads}
        compiled = openvino.compile_model(converted, "CPU", options)
        print("OpenVINO computes in", compiled.get_property("INFERENCE_PRECISION_HINT"))
        ours = support.native_unet(theirs.to(dtype), pack=True)
        inputs = [sample.numpy(), timesteps.numpy()]
        row = Rounds(count=3, seconds=0.5).compare(
            "UNet step", "OpenVINO", lambda: ours(sample.to(dtype), timesteps), lambda: compiled(inputs)
        )
    spread = f"{row.spread[0]:.2f} - {row.spread[1]:.2f}"
    print(f"ours {row.ours:.2f} s, OpenVINO {row.theirs:.2f} s, ratio {row.ratio:.2f} ({spread})")


if __name__ == "__main__":
    main()
