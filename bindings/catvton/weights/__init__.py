"""Files of weights to models, and back."""

from .attention import save_attention
from .built_in import BUILT_IN, has_built_in, model_folder
from .files import WeightsError
from .find import ModelFiles, find
from .inspect import FileSummary, inspect
from .load import load_scheduler, load_unet, load_vae, to
from .native_size import PUBLISHED_SIZE, native_size

__all__ = [
    "BUILT_IN",
    "PUBLISHED_SIZE",
    "FileSummary",
    "ModelFiles",
    "WeightsError",
    "find",
    "has_built_in",
    "inspect",
    "load_scheduler",
    "load_unet",
    "load_vae",
    "model_folder",
    "native_size",
    "save_attention",
    "to",
]
