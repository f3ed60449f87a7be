"""What only a GPU can show; `make test-gpu` runs this folder. CATVTON_TEST_DEVICE=cpu runs what a CPU can of it, so
that the tests themselves are known to work."""

import os

import pytest
import torch

from catvton.data import wardrobe


@pytest.fixture(scope="session")
def device() -> torch.device:
    wanted = torch.device(os.environ.get("CATVTON_TEST_DEVICE", "cuda"))
    if wanted.type == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no GPU here")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    return wanted


@pytest.fixture
def cuda(device) -> torch.device:
    if device.type != "cuda":
        pytest.skip("asks torch's CUDA allocator or CUDA's streams")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return device


@pytest.fixture(scope="session")
def case():
    """A drawn person, a garment, the mask: 192x144, what the built-in model is for."""
    drawn = wardrobe.case(0, 0, "test", "upper")
    scene = drawn.scene((192, 144))
    return scene.image, drawn.other.flat((192, 144)), scene.agnostic_mask(drawn.outfit.mask_category(drawn.other))
