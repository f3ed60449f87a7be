"""Run by ComfyUI's Python in its folder, with one of its flags: what its memory management does to our model then.

It believes in a card of 8 GiB: what it asks torch.cuda is answered here, so no GPU is needed. The model is a stand-in
that notes where it was moved; ComfyUI's code and the nodes' are the real ones. Prints, as JSON, for each mode of memory
in the order of MODES: the mode that the run got, where the weights were, and where the work was to be done.
"""

import dataclasses
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

SIZE = 10**9
CARD, FREE = 8 * 2**30, 7 * 2**30
MODES = ["auto", "low", "minimal", "normal"]
ANSWERS = {
    "is_available": True,
    "device_count": 1,
    "current_device": 0,
    "get_device_name": "A card",
    "get_device_capability": (8, 6),
    "get_device_properties": SimpleNamespace(name="A card", major=8, minor=6, total_memory=CARD),
    "mem_get_info": (FREE, CARD),
    "memory_stats": {"active_bytes.all.current": 0, "reserved_bytes.all.current": 0},
    **dict.fromkeys(["synchronize", "empty_cache", "ipc_collect", "set_device"]),
    "is_bf16_supported": True,
}


@dataclasses.dataclass
class StandIn:
    """What the nodes use of a TryOn to place it."""

    unet: SimpleNamespace
    vae: SimpleNamespace
    work_device: torch.device | None = None
    dtype = torch.float16
    masked = True

    @property
    def device(self) -> torch.device:
        return self.work_device or self.unet.like.device

    def to(self, device: torch.device) -> "StandIn":
        def there(network: SimpleNamespace) -> SimpleNamespace:
            return SimpleNamespace(**vars(network) | {"like": SimpleNamespace(device=torch.device(device))})

        return dataclasses.replace(self, unet=there(self.unet), vae=there(self.vae), work_device=None)


def main() -> None:
    pack = Path(__file__).resolve().parents[2]
    for name, answer in ANSWERS.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    sys.path.insert(0, os.getcwd())
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.model_management as management

    from catvton import TryOn

    spec = importlib.util.spec_from_file_location("pack", pack / "__init__.py", submodule_search_locations=[str(pack)])
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    model = importlib.import_module("pack.nodes.model")
    demo = TryOn.load("demo", device="cpu")
    owner = model.Model(StandIn(*(network(part.config) for part in (demo.unet, demo.vae))))
    found = []

    def work(tryon: StandIn, mode: str, _: bool) -> None:
        found.append([mode, str(tryon.unet.like.device), str(tryon.device)])

    for memory in MODES:
        owner.run(work, 1024, 768, 1, memory)
    management.unload_all_models()
    after = str(owner.patcher.model.tryon.unet.like.device)
    print(json.dumps({"state": management.vram_state.name, "runs": found, "after": after}))


def network(config: object) -> SimpleNamespace:
    like = SimpleNamespace(device=torch.device("cpu"))
    return SimpleNamespace(like=like, weight_bytes=SIZE // 2, config=config)


if __name__ == "__main__":
    main()
