"""LPIPS, FID and KID by torchmetrics, whose networks' weights are downloaded by torchvision and torch-fidelity.

LPIPS: AlexNet's, as in Zhang et al. 2018. FID (Heusel et al. 2017) and KID (Binkowski et al. 2018): torch-fidelity's
InceptionV3, 2048 features. Below some thousand pictures FID is too large by an amount that depends on their number:
compare only between equally many. KID has no such bias, and a standard deviation, over subsets.

What cannot be had is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

NAMES = ("lpips", "fid", "kid")
INSTALL = "pip install 'catvton-native[learned]', then torchvision and torch-fidelity as they fit your torch"
KID_SUBSET = 50  # pictures; fewer where there are fewer


class Learned:
    """The networks that could be had. `left_out` tells why others could not, by name."""

    def __init__(self, inception: torch.nn.Module | None = None):
        """inception: another network of features for FID and KID, uint8 [B, 3, H, W] -> float32 [B, F]."""
        self.left_out: dict[str, str] = {}
        self._lpips = self._had(("lpips",), _lpips)
        self._inception = inception or self._had(("fid", "kid"), _inception)

    def lpips(self, picture: np.ndarray, truth: np.ndarray) -> float | None:
        """Both uint8 [H, W, 3]. None where it is left out."""
        if self._lpips is None:
            return None
        with torch.inference_mode():
            value = float(self._lpips(*(_planes(p).float() / 255 for p in (picture, truth))))
        self._lpips.reset()
        return value

    def features(self, picture: np.ndarray) -> torch.Tensor | None:
        """uint8 [H, W, 3] -> [1, F], of which `Distance` is made. None where FID and KID are left out."""
        if self._inception is None:
            return None
        with torch.inference_mode():
            return self._inception(_planes(picture)).float().clone()

    def _had(self, names: tuple[str, ...], make: Callable[[], Any]) -> Any:
        try:
            return make()
        except ImportError as error:
            reason = f"{str(error).splitlines()[0]} ({INSTALL})"
        except (OSError, RuntimeError) as error:  # URLError is an OSError
            reason = f"its network's weights could not be had: {error}"
        self.left_out |= dict.fromkeys(names, reason)
        return None


class Distance:
    """FID and KID of pictures from truths, one of each after the other; it keeps features, and no picture."""

    def __init__(self):
        self._features: dict[bool, list[torch.Tensor]] = {False: [], True: []}

    def add(self, picture: torch.Tensor, truth: torch.Tensor) -> None:
        """Features, [1, F] both."""
        self._features[False].append(picture)
        self._features[True].append(truth)

    def result(self) -> dict[str, float]:
        """fid, kid and kid_deviation; {} for fewer than two pictures."""
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance

        count = len(self._features[True])
        if count < 2:
            return {}
        same = torch.nn.Identity()  # what comes in are features already
        same.num_features = self._features[True][0].shape[1]
        fid = FrechetInceptionDistance(feature=same)
        kid = KernelInceptionDistance(feature=same, subset_size=min(KID_SUBSET, count))
        for real, features in self._features.items():
            for metric in (fid, kid):
                metric.update(torch.cat(features), real=real)
        with torch.random.fork_rng():
            torch.manual_seed(0)  # KID's subsets
            mean, deviation = kid.compute()
        return {"fid": float(fid.compute()), "kid": float(mean), "kid_deviation": float(deviation)}


def _lpips() -> Any:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    return LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)


def _inception() -> Any:
    from torchmetrics.image.fid import FrechetInceptionDistance

    return FrechetInceptionDistance(feature=2048).inception


def _planes(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]  # [H, W, 3] -> [1, 3, H, W]
