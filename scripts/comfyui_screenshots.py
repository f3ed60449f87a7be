"""Writes docs/images/comfyui-*.jpg: the pack in ComfyUI's own front end, as it really looks after a run.

python scripts/comfyui_screenshots.py   runs in the ComfyUI of scripts/comfyui_environment.py; needs Chromium
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "nodes"))

from browser import FrontEnd, chromium, launched  # noqa: E402  (the tests' driver)
from comfyui import PYTHON, SOURCE, Server, front_end  # noqa: E402

PACK = "catvton-native"
RUNS = {"comfyui-try-on.jpg": "try_on_basic", "comfyui-mask.jpg": "mask_by_category"}
SIZE = (1500, 1100)
BANNER = 40  # the front end's own, over everything
READABLE = {"LiteGraph.Canvas.MinFontSizeForLOD": 0}  # text however small the nodes are


def main() -> None:
    if not (PYTHON.is_file() and front_end(PYTHON)):
        sys.exit("no ComfyUI with a front end: run scripts/comfyui_environment.py")
    if not chromium():
        sys.exit("no Chromium: on Debian, apt install chromium")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "custom_nodes").mkdir()
        (base / "custom_nodes" / PACK).symlink_to(ROOT)
        flags = "--preview-method", "latent2rgb"
        with Server(SOURCE, PYTHON, base, *flags, front_end=front_end(PYTHON)) as server:
            take(server.address)


def take(address: str) -> None:
    with launched() as browser:
        with FrontEnd(browser, address, size=SIZE, **READABLE) as page:
            page.browse_templates(PACK)
            page.wait_for_pictures()
            save(page, "comfyui-templates.jpg")
        for file, workflow in RUNS.items():
            with FrontEnd(browser, address, size=SIZE, **READABLE) as page:
                page.open_template(PACK, workflow)
                status = page.run().status
                if status != "success":
                    sys.exit(f"{workflow}: {status}")
                page.wait_for_pictures()
                save(page, file)
                print(f"{file}: front end {page.version}")


def save(page: FrontEnd, name: str) -> None:
    window = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    window = window.crop((0, BANNER, window.width, window.height))
    window.save(ROOT / "docs" / "images" / name, quality=85, optimize=True)


if __name__ == "__main__":
    main()
