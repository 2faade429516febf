"""contrascope clusters: groups of pictures that are alike."""

import sys
from dataclasses import dataclass

from contrascope.commands.command import DONE, Command
from contrascope.commands.curation.looking import SHOWN, LookArguments, folder_for, looked_at
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class ClustersArguments(LookArguments):
    """Group the pictures by k-means on encoder outputs; the number of groups is found by a rule that is printed.

    The table has the group of every image, the page the most typical ones of each.
    """

    k: int | None = None
    """Number of groups; unset: the fewest whose simplified silhouette on held-out images is within 0.01 of the best."""
    seed: int = 0
    """Of k-means."""


def run(parsed: ClustersArguments, progress: CommandProgress) -> int:
    """Group, print, write."""
    from contrascope.curation.clusters import find_clusters
    from contrascope.curation.written import write_clusters
    from contrascope.machine.device import find_device
    from contrascope.terminal.curation import clusters_json, show_clusters, show_written

    found = find_clusters(
        looked_at(parsed, parsed.source, progress.say),
        k=parsed.k,
        seed=parsed.seed,
        device=find_device(parsed.device),
        progress=progress.counter("images embedded"),
    )
    out = folder_for(parsed)
    written = None if out is None else write_clusters(found, out)
    if parsed.json:
        sys.stdout.write(clusters_json(found))
        return DONE
    sys.stdout.write(f"{show_clusters(found)}{show_written(written)}")
    return DONE


COMMAND = Command(
    name="clusters",
    group="use",
    words="RUN_OR_ENCODER_OR_FILE [DATA]",
    summary="groups of pictures that are alike, with a page",
    arguments=ClustersArguments,
    run=run,
    shown=(
        shown("--k", "number of groups", "by a rule"),
        shown("--seed", "of k-means"),
        *SHOWN,
    ),
    examples=(
        "contrascope clusters runs/my-run",
        "contrascope clusters timm:resnet18 ~/photos --k 20 --out clusters",
    ),
)
