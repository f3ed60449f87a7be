"""`catvton train`, also `python -m catvton.train.cli`: arguments become a task and a loop."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import torch

from .. import weights
from .._native import C
from ..atomic import write_json
from ..devices import resolve_device
from .arguments import add_arguments
from .distributed import Processes
from .grow import grown
from .loop import LoopOptions, Task, Upkeep, train
from .losses import LossOptions
from .networks import fresh_unet, fresh_vae, small_unet, small_vae, trained_names
from .samples import Folder, Several, Source, Unrelated, Wardrobe
from .shards import KeptPictures
from .tried_on import TriedOn
from .tryon_task import TryOnOptions, TryOnTask
from .vae_task import VAETask

__all__ = ["add_arguments", "main", "run"]

SHEET_CASES = 6


def run(args: argparse.Namespace) -> int:
    """Carry out parsed arguments; returns the exit status. Raises ValueError, OSError, FloatingPointError."""
    steps = train_from(args)
    if steps < args.steps:
        print(f"stopped after step {steps} of {args.steps}; go on with --resume")
    return 0


def train_from(args: argparse.Namespace) -> int:
    """Builds the task and trains it; returns the steps done."""
    if args.threads:
        torch.set_num_threads(args.threads)
    device = resolve_device(args.device)
    processes = Processes.join(device)
    try:
        if processes.world > 1 and device.type == "cuda":
            device = torch.device("cuda", processes.local_rank)
        data, held_out = sources(args)
        if args.pictures:
            data = KeptPictures(data, args.pictures)
            data.build(processes.rank, processes.world, not args.quiet and processes.is_first)
            processes.wait()
        if args.unrelated_garments:
            data = Unrelated(data)
        options = _loop_options(args)
        make = _vae_task if args.what == "vae" else _tryon_task
        task: Task = make(args, data, held_out, device, processes, options)
        upkeep = Upkeep(
            Path(args.out), args.save_every, args.sheet_every, args.max_minutes, args.resume, not args.quiet
        )
        if processes.is_first:
            write_json(upkeep.out / "arguments.json", {k: v for k, v in vars(args).items() if _is_plain(v)})
        return train(task, options, upkeep, processes)
    finally:
        processes.leave()


def sources(args: argparse.Namespace) -> tuple[Source, Source | None]:
    """Training data, and held-out cases for the sheets where there are any."""
    training: list[Source] = []
    held_out: Source | None = None
    for name in args.data:
        if name == "wardrobe":
            categories = tuple(args.categories)
            training.append(Wardrobe(args.samples, args.size, args.data_seed, "train", categories))
            held_out = held_out or Wardrobe(SHEET_CASES, args.size, args.data_seed, "test", categories)
            continue
        on_missing = "skip" if args.skip_missing else "stop"
        training.append(Folder(name, args.size, "train", on_missing))
        with contextlib.suppress(FileNotFoundError, ValueError):  # no test split: no sheets from here
            held_out = held_out or Folder(name, args.size, "test", on_missing)
    return (training[0] if len(training) == 1 else Several(tuple(training))), held_out


def _loop_options(args: argparse.Namespace) -> LoopOptions:
    usual = 5e-4 if args.what == "vae" or args.from_scratch else 1e-5
    return LoopOptions(
        steps=args.steps,
        batch_size=args.batch_size,
        accumulate=args.accumulate,
        optimizer=args.optimizer,
        learning_rate=usual if args.learning_rate is None else args.learning_rate,
        schedule=args.schedule,
        warmup=args.warmup,
        betas=(0.9, 0.995) if args.what == "vae" else (0.9, 0.999),
        weight_decay=0.0 if args.what == "vae" else args.weight_decay,
        clip=args.clip or None,
        ema=args.ema,
        seed=args.seed,
    )


def _tryon_task(args, data, held_out, device, processes, options) -> TryOnTask:
    if args.ssim:
        raise ValueError("--ssim is of pictures, which `catvton train vae` makes: a UNet's loss has none")
    if args.tried_on:
        raise ValueError("--tried-on is of a decoder: `catvton train vae --decoder-only`")
    if args.vae is None:
        raise ValueError("training a UNet needs --vae: sd-vae-ft-mse, or what `catvton train vae` wrote")
    if args.from_scratch == (args.base is not None):
        raise ValueError("name the UNet to start from with --base, or start one with --from-scratch (not both)")
    if args.grow_attention and (args.from_scratch or args.train != "unet"):
        raise ValueError("--grow-attention gives new layers to a --base, and they have to learn: add --train unet")
    if args.from_scratch:
        if args.train != "unet":
            raise ValueError(f"--from-scratch trains everything: add --train unet (it was {args.train})")
        config = small_unet()
        state = {name: weight.to(device) for name, weight in fresh_unet(config, args.seed).items()}
        unet = C.UNet(state, config)
    else:
        unet = weights.load_unet(args.base, args.attention, dtype="float32", device=device)
        if args.grow_attention:
            unet = grown(unet, args.grow_attention, args.seed)
        state = unet.parameters  # maps of the file where they could be: what trains is copied, the rest stays
        state |= {name: state[name].clone() for name in trained_names(unet.config, list(state), args.train)}
        unet = C.UNet(state, unet.config)
    return TryOnTask(
        unet,
        weights.load_vae(args.vae, dtype="float32", device=device),
        weights.load_scheduler(args.scheduler),
        data,
        TryOnOptions(
            train=args.train,
            dropout=args.dropout,
            bf16=args.bf16,
            recompute=args.recompute,
            losses=LossOptions(args.dream, args.snr_gamma, args.snr_floor, tuple(args.region_weights)),
            export_dtype=torch.float16 if args.half else torch.float32,
        ),
        args.seed,
        held_out,
        None if args.no_cache else args.cache or Path(args.out) / "cache",
        processes,
        not args.quiet,
    )


def _vae_task(args, data, held_out, device, processes, options) -> VAETask:
    for name in ("base", "attention", "from_scratch", "grow_attention"):
        if getattr(args, name):
            option = "--" + name.replace("_", "-")
            raise ValueError(f"`catvton train vae` starts a small VAE from nothing: {option} has no use there")
    if args.decoder_only != (args.vae is not None):
        raise ValueError("--decoder-only trains the decoder of the VAE that --vae names: give both, or neither")
    if args.tried_on and (not args.decoder_only or options.batch_size < 2 or args.tried_on_cases < 1):
        raise ValueError("--tried-on is for --decoder-only, batches of two or more, and one case or more")
    if args.decoder_only:
        vae = weights.load_vae(args.vae, dtype="float32", device=device)
        vae = C.VAE({name: weight.clone() for name, weight in vae.parameters.items()}, vae.config)  # not file maps
    else:
        config = small_vae()
        vae = C.VAE({name: weight.to(device) for name, weight in fresh_vae(config, args.seed).items()}, config)
    tried_on = None
    if args.tried_on:
        cache = args.cache or Path(args.out) / "cache"
        bar = not args.quiet
        tried_on = TriedOn(args.tried_on, vae, data, args.tried_on_cases, cache, args.bf16, processes, bar)
    samples = options.steps * options.batch_size * options.accumulate * processes.world
    half = torch.float16 if args.half else torch.float32
    return VAETask(
        vae,
        data,
        args.size,
        samples,
        args.seed,
        args.bf16,
        held_out,
        half,
        decoder_only=args.decoder_only,
        ssim=args.ssim,
        tried_on=tried_on,
    )


def _is_plain(value) -> bool:
    return isinstance(value, (str, int, float, bool, list, tuple, type(None)))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="catvton train")
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, FloatingPointError) else 2


if __name__ == "__main__":
    sys.exit(main())
