"""contrascope outliers: the pictures that are far from all others."""

import sys
from dataclasses import dataclass

from contrascope.commands.command import DONE, Command
from contrascope.commands.curation.looking import SHOWN, LookArguments, folder_for, looked_at
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class OutliersArguments(LookArguments):
    """List the pictures that are farthest from all others, by the mean cosine distance to their nearest ones.

    The table has every image in this order; those far above the rest are called far out. To be looked at, not deleted
    unseen: a rare class is as far as a mistake.
    """

    neighbours: int = 10
    """Nearest images whose distance counts: a group of fewer odd pictures is still far from the rest."""
    count: int = 20
    """How many images are printed and shown."""


def run(parsed: OutliersArguments, progress: CommandProgress) -> int:
    """Measure, print, write."""
    from contrascope.curation.outliers import find_outliers
    from contrascope.curation.written import write_outliers
    from contrascope.machine.device import find_device
    from contrascope.terminal.curation import outliers_json, show_outliers, show_written

    found = find_outliers(
        looked_at(parsed, parsed.source, progress.say),
        k=parsed.neighbours,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
    )
    out = folder_for(parsed)
    written = None if out is None else write_outliers(found, out, count=parsed.count)
    if parsed.json:
        sys.stdout.write(outliers_json(found))
        return DONE
    sys.stdout.write(f"{show_outliers(found, count=parsed.count)}{show_written(written)}")
    return DONE


COMMAND = Command(
    name="outliers",
    group="use",
    words="RUN_OR_ENCODER_OR_FILE [DATA]",
    summary="the pictures that are far from all others",
    arguments=OutliersArguments,
    run=run,
    shown=(
        shown("--count", "images to print and show"),
        shown("--neighbours", "nearest images whose distance counts"),
        *SHOWN,
    ),
    examples=(
        "contrascope outliers runs/my-run",
        "contrascope outliers timm:resnet18 ~/photos --count 50 --out outliers",
    ),
)
