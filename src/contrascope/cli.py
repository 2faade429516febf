"""Entry point of the command line; the commands are in contrascope.commands."""

import sys
from collections.abc import Sequence

from contrascope.machine.openmp import settle


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; Ctrl-C ends in one sentence also while modules are imported."""
    settle()
    try:
        from contrascope.commands.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("contrascope: stopped by Ctrl-C.\n")
        raise SystemExit(130) from None
    return run(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
