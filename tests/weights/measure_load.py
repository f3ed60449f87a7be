"""Loads a model and prints, as JSON, seconds, and bytes of memory at their peak. Run by test_full_size.py on its own.

python tests/weights/measure_load.py FOLDER DTYPE
"""

import json
import re
import sys
import time
from pathlib import Path

from catvton import weights


def peak() -> int:
    """The most bytes that this process ever had in memory, pages of mapped files included."""
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def main():
    files, dtype = weights.find(sys.argv[1]), sys.argv[2]
    before, start = peak(), time.perf_counter()
    unet = weights.load_unet(files.unet, files.attention, dtype=dtype)
    vae = weights.load_vae(files.vae, dtype=dtype)
    seconds, grown = time.perf_counter() - start, peak() - before
    counts = [sum(tensor.numel() for tensor in model.parameters.values()) for model in (unet, vae)]
    size = sum(tensor.nbytes for model in (unet, vae) for tensor in model.parameters.values())
    print(json.dumps({"seconds": seconds, "grown": grown, "bytes": size, "parameters": counts}))


if __name__ == "__main__":
    main()
