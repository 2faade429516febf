"""An address, such as s3://bucket/pets or https://example.org/pets.zip."""

from contrascope.data.kinds import SourceKind

KIND = SourceKind(
    title="an address (s3://, https://)",
    recognises=lambda source: "://" in source,
    opener="contrascope.data.archives.opening:open_address",
)
