"""Files of weights to models, and back."""

from .attention import save_attention
from .files import WeightsError
from .find import ModelFiles, find
from .inspect import FileSummary, inspect
from .load import load_scheduler, load_unet, load_vae, to

__all__ = [
    "FileSummary",
    "ModelFiles",
    "WeightsError",
    "find",
    "inspect",
    "load_scheduler",
    "load_unet",
    "load_vae",
    "save_attention",
    "to",
]
