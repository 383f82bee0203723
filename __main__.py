"""The command line: ``python -m retrograd`` and the console script ``retrograd``."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

# command -> (module with `main(argv, prog)`, what it does). A module loads when its command is asked for.
COMMANDS = {
    "train": ("retrograd.examples.digits", "train a small convolutional network on handwritten digits"),
    "info": ("retrograd.cli.info", "versions, BLAS and threads, devices, what is missing and how to install it"),
    "warmup": ("retrograd.cli.warmup", "compile all CPU kernels now, so that no program has to"),
    "reference": ("retrograd.cli.reference", "the table of all functions, as Markdown (docs/reference.md)"),
}


def usage(prog: str) -> str:
    """The text of --help."""
    lines = [f"  {name:<11}{purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {prog} [--help] [--version] COMMAND ...",
            "",
            "Automatic differentiation with PyTorch's tensor API on NumPy and CuPy arrays.",
            "",
            "commands:",
            *lines,
            "",
            f"{prog} COMMAND --help lists the options of a command.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (failed), 2 (wrong usage) or 130 (stopped by Ctrl-C)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    script = Path(sys.argv[0]).stem
    prog = "retrograd" if script == "retrograd" else f"{Path(sys.executable).name or 'python'} -m retrograd"
    command, *rest = arguments or ["--help"]
    if command in ("-h", "--help", "help"):
        print(usage(prog))
        return 0
    if command in ("-V", "--version"):
        from retrograd import __version__

        print(f"retrograd {__version__}")
        return 0
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        print(
            f"{prog}: unknown command {command!r}{hint}; the commands are {', '.join(COMMANDS)}\ntry: {prog} --help",
            file=sys.stderr,
        )
        return 2
    module = importlib.import_module(COMMANDS[command][0])
    try:
        return module.main(rest, f"{prog} {command}")
    except KeyboardInterrupt:
        print(f"\n{prog} {command}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
