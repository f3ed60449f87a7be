"""Loads a model and prints, as JSON, seconds, and bytes of memory at their peak. Run by test_full_size.py on its own.

python tests/weights/measure_load.py FOLDER DTYPE [pack | int8]
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
    files, dtype, how = weights.find(sys.argv[1]), sys.argv[2], sys.argv[3:]
    pack, int8 = "pack" in how, "int8" in how
    before, start = peak(), time.perf_counter()
    unet = weights.load_unet(files.unet, files.attention, dtype=dtype, pack=pack, int8=int8)
    vae = weights.load_vae(files.vae, dtype=dtype, pack=pack or int8)
    seconds, grown = time.perf_counter() - start, peak() - before
    counts = [sum(tensor.numel() for tensor in model.parameters.values()) for model in (unet, vae)]
    size = unet.weight_bytes + vae.weight_bytes
    print(json.dumps({"seconds": seconds, "grown": grown, "bytes": size, "parameters": counts}))


if __name__ == "__main__":
    main()
