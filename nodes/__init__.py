"""CatVTON's nodes: each validates, calls the package `catvton`, and returns; `_comfy.py` alone knows ComfyUI's inside.

Nothing here imports catvton: ComfyUI starts without waiting for it, and where it is missing the nodes still register,
old workflows still open, and a run says what to do (`engine.py`).
"""

from comfy_api.latest import ComfyExtension, io

from . import _comfy
from .label_map import LabelMap
from .load import Load
from .mask_by_category import MaskByCategory
from .mask_preview import MaskPreview
from .outfit import Outfit
from .tryon import TryOn

NODES = [Load, TryOn, Outfit, LabelMap, MaskByCategory, MaskPreview]


class CatVTONExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        _comfy.add_example_inputs()
        _comfy.add_model_folder()  # not in on_load, which ComfyUI 0.3.75 does not call
        return list(NODES)
