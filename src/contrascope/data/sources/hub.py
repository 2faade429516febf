"""A set of the Hugging Face hub: what is no path."""

from contrascope.data.kinds import SourceKind

KIND = SourceKind(
    title="the name of a hub set",
    recognises=lambda source: True,
    opener="contrascope.data.hub:open_hub_name",
    turn=2,
)
