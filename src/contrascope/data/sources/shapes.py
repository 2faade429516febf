"""Rendered shapes, with known factors."""

from contrascope.data.kinds import SourceKind

KIND = SourceKind(
    title="shapes",
    recognises=lambda source: source == "shapes",
    opener="contrascope.data.drawn.shapes:open_shapes",
    turn=0,
    names=("shapes",),
)
