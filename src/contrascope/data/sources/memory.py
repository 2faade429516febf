"""What a run's settings say where its images were in memory: they cannot be opened again."""

from contrascope.data.kinds import SourceKind

NAME = "memory"

KIND = SourceKind(
    title="images in memory",
    recognises=lambda source: source == NAME,
    opener="contrascope.data.memory:gone",
    turn=0,
)
