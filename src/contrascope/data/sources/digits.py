"""The 1,797 scans that come with scikit-learn."""

from contrascope.data.kinds import SourceKind

KIND = SourceKind(
    title="digits",
    recognises=lambda source: source == "digits",
    opener="contrascope.data.drawn.digits:open_digits",
    turn=0,
    names=("digits",),
)
