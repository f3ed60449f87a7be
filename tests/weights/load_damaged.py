"""Loads every file that a list names and prints what came of it, a line each.

Run by test_damage.py in a process of its own: a crash would take the test with it.

    python tests/weights/load_damaged.py CASES.json
"""

import json
import sys

import torch

from catvton import weights


def load(case):
    if case["network"] == "vae":
        return weights.load_vae(case["file"])
    if case["network"] == "unet":
        return weights.load_unet(case["file"])
    return weights.load_unet(case["base"], case["file"])


def same(model, sound):
    return all(torch.equal(tensor, sound.parameters[name]) for name, tensor in model.parameters.items())


def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    sound = {network: load(case) for network, case in cases["sound"].items()}
    for case in cases["damaged"]:
        print(json.dumps({"loading": case["file"]}), flush=True)
        try:
            outcome = {"loaded": True, "same": same(load(case), sound[case["network"]])}
        except Exception as error:
            outcome = {"loaded": False, "type": type(error).__name__, "message": str(error)}
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
