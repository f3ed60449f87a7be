"""The command line.

Each command is a module with add_arguments(parser) and run(args) -> exit code, imported only when it is asked for:
`catvton --help` answers at once, without torch.

Exit codes: 0; 1 for a failed check, too little memory or an error inside; 2 for a mistake in what was asked; 130 for
Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module

from .. import __version__

COMMANDS = {
    "tryon": (".cli.tryon", "dress a person in a garment"),
    "outfit": (".cli.outfit", "dress a person in several garments"),
    "mask": (".masks.cli", "make the mask of the clothes to replace"),
    "info": (".cli.info", "what model files are, their size, licence and the memory they need"),
    "doctor": (".cli.doctor", "check this machine, torch and every operator of the engine"),
    "data": (".data.cli", "data sets for training and evaluation"),
    "train": (".train.cli", "train the attention on your pictures, or a small model from nothing"),
    "evaluate": (".evaluate.cli", "measure a model's try-ons of held-out cases against the truth"),
}
PACKAGE = __package__.rpartition(".")[0]
DESCRIPTION = "CatVTON: virtual try-on on your own machine. `catvton COMMAND --help` explains a command."
EPILOG = """first steps:
  catvton doctor                                   does everything work here?
  catvton info models/                             which models are these, and do they fit?
  catvton tryon person.jpg garment.jpg --mask mask.png --models models/ --out result.png
--models demo and `catvton info demo` mean the small model that comes with the package.
"""


class _Command(argparse.ArgumentParser):
    """A command's parser, which asks the command's module for its arguments when it is used."""

    module = ""  # stays empty in the parsers of a command's own commands

    def parse_known_args(self, args=None, namespace=None):
        if self.module:
            command = import_module(self.module, PACKAGE)
            command.add_arguments(self)
            self.add_argument("--debug", action="store_true", help="show where an error came from")
            self.set_defaults(run=command.run)
        return super().parse_known_args(args, namespace)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command (`argv` without the program's name; None: the process' own) and returns its exit code."""
    args = _parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code = args.run(args)
            sys.stdout.flush()
            return code
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return 130
        except BrokenPipeError:  # the reader, say `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor does Python's exit write to it
            return 0
        except (ValueError, OSError, ImportError, MemoryError, FloatingPointError) as error:
            if args.debug:
                traceback.print_exc()
            else:
                print(f"catvton {args.command}: {error}", file=sys.stderr)
            return 1 if isinstance(error, (MemoryError, FloatingPointError)) else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "catvton", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"catvton {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Command)
    for name, (module, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary, description=summary.capitalize() + ".").module = module
    return parser


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"warning: {message}", file=sys.stderr)
