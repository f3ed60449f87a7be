"""A run that is stopped, killed or split over processes ends where an undisturbed one ends."""

import os
import random
import signal
import socket
import time

import pytest
import torch

from catvton.train import checkpoint as checkpoints
from catvton.train.cli import main

STEPS = 24
RUN = ("--steps", str(STEPS), "--train", "unet", "--ema", "0.9", "--schedule", "cosine", "--save-every", "4")


def final(folder):
    path = checkpoints.checkpoints(folder / "checkpoints")[-1]
    return torch.load(path, weights_only=True)


def assert_same_bits(got, want):
    assert got["step"] == want["step"] == STEPS
    for part in ("weights", "ema"):
        for name, weight in want[part].items():
            assert torch.equal(got[part][name], weight), f"{part} {name}"
    for index, state in want["optimizer"]["state"].items():
        for name, value in state.items():
            assert torch.equal(got["optimizer"]["state"][index][name], value)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def want(undisturbed, arguments):
    if not (undisturbed / "checkpoints").is_dir():
        assert main(arguments(undisturbed, *RUN)) == 0
    return final(undisturbed)


def steps_logged(folder):
    return [int(line.split(",")[0]) for line in (folder / "log.csv").read_text().splitlines()[1:]]


def test_killed_at_random_and_resumed_is_identical_to_the_bit(tmp_path, arguments, start, want):
    wait = random.Random(os.getpid()).uniform(0, 0.5)
    process = start(arguments(tmp_path, *RUN))
    while not list((tmp_path / "checkpoints").glob("step-*.pt")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(wait)  # somewhere after the first checkpoint: within a step, or within a write
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "checkpoints" / ".step-00000099.x.pt").write_bytes(b"what a kill within a write leaves")
    survivor = checkpoints.checkpoints(tmp_path / "checkpoints")[-1]
    assert torch.load(survivor, weights_only=True)["step"] in range(4, STEPS + 1, 4)
    assert main(arguments(tmp_path, *RUN, "--resume")) == 0
    assert_same_bits(final(tmp_path), want)
    assert steps_logged(tmp_path) == list(range(1, STEPS + 1))
    assert not list((tmp_path / "checkpoints").glob(".*"))


def test_stopped_by_time_and_resumed_is_identical_to_the_bit(tmp_path, arguments, want, capsys):
    assert main(arguments(tmp_path, *RUN, "--max-minutes", "0")) == 0
    assert "stopped after step 1 of 24" in capsys.readouterr().out
    assert main(arguments(tmp_path, *RUN, "--resume")) == 0
    assert_same_bits(final(tmp_path), want)


def test_sigterm_leaves_a_checkpoint(tmp_path, arguments, start):
    process = start(arguments(tmp_path, "--steps", "100000", "--train", "unet", "--save-every", "100000"))
    while not (tmp_path / "log.csv").is_file() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    step = final(tmp_path)["step"]
    assert f"stopped after step {step} of 100000; go on with --resume" in output


@pytest.mark.parametrize("processes", [2])
def test_processes_average_to_the_larger_batch(tmp_path, arguments, start, processes):
    run = ("--steps", "4", "--train", "unet", "--weight-decay", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", f"--master-port={port}"]
    process = start(arguments(tmp_path / "two", *run), *launcher)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert main(arguments(tmp_path / "one", *run, "--batch-size", str(2 * processes))) == 0
    assert main(arguments(tmp_path / "accumulated", *run, "--accumulate", str(processes))) == 0
    two, one, accumulated = (final(tmp_path / name)["weights"] for name in ("two", "one", "accumulated"))
    first = torch.cat([tensor.flatten() for tensor in one.values()])
    for other in (two, accumulated):
        difference = torch.cat([tensor.flatten() for tensor in other.values()]) - first
        # Adam divides by the gradient's size: where that is rounding alone, a step's direction is, too.
        assert difference.abs().median() < 1e-7
        assert difference.norm() < 1e-3 * first.norm()
    assert steps_logged(tmp_path / "two") == [1, 2, 3, 4]  # written by one process only


def test_a_longer_constant_run_goes_on(tmp_path, arguments):
    assert main(arguments(tmp_path, "--steps", "2")) == 0
    assert main(arguments(tmp_path, "--steps", "3", "--resume")) == 0
    assert final(tmp_path)["step"] == 3


def test_a_run_is_not_overwritten(tmp_path, arguments, capsys):
    assert main(arguments(tmp_path, "--steps", "1")) == 0
    assert main(arguments(tmp_path, "--steps", "2")) == 2
    assert "holds a run already: go on with --resume" in capsys.readouterr().err


def test_checkpoint_of_another_run_is_refused(tmp_path, arguments, capsys):
    assert main(arguments(tmp_path, "--steps", "1")) == 0
    assert main(arguments(tmp_path, "--steps", "2", "--resume", "--train", "transformer", "--seed", "7")) == 2
    error = capsys.readouterr().err
    assert "seed was 0, is 7" in error
    assert "train was 'attention', is 'transformer'" in error
    assert "trained weights differ" in error


def test_damaged_checkpoint_is_named(tmp_path, arguments, capsys):
    assert main(arguments(tmp_path, "--steps", "2", "--save-every", "1")) == 0
    _, last = checkpoints.checkpoints(tmp_path / "checkpoints")
    last.write_bytes(last.read_bytes()[:1000])
    assert main(arguments(tmp_path, "--steps", "3", "--resume")) == 2
    assert f"{last} cannot be read as a checkpoint" in capsys.readouterr().err
    last.unlink()
    assert main(arguments(tmp_path, "--steps", "3", "--resume")) == 0


def test_a_write_that_fails_leaves_the_last_checkpoint(tmp_path, arguments, small_files, capsys):
    assert main(arguments(tmp_path, "--steps", "2")) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()}
    with small_files(len(before["step-00000002.pt"]) // 2):
        assert main(arguments(tmp_path, "--steps", "3", "--resume")) == 2
    error = capsys.readouterr().err
    assert "step-00000003.pt could not be written" in error
    assert "is the disk full?" in error
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()} == before
    assert main(arguments(tmp_path, "--steps", "3", "--resume")) == 0


def test_divergence_stops_before_it_spoils_anything(tmp_path, arguments, capsys):
    assert main(arguments(tmp_path, "--steps", "40", "--train", "unet", "--learning-rate", "1e30", "--clip", "0")) == 1
    assert "lower the learning rate" in capsys.readouterr().err
