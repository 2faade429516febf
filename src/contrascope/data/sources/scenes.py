"""Scenes drawn from the scans, with known factors."""

from contrascope.data.kinds import SourceKind

KIND = SourceKind(
    title="scenes",
    recognises=lambda source: source == "scenes",
    opener="contrascope.data.drawn.scenes:open_scenes",
    turn=0,
    names=("scenes",),
)
