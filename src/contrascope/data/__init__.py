"""Images from anywhere as one kind of set: in memory as bytes, or streamed."""

from typing import TYPE_CHECKING

from contrascope.lazy import attach

if TYPE_CHECKING:
    from contrascope.data.drawn.scenes import draw_scenes as draw_scenes
    from contrascope.data.drawn.shapes import draw_shapes as draw_shapes
    from contrascope.data.imageset import BadImage as BadImage
    from contrascope.data.imageset import ImageSet as ImageSet
    from contrascope.data.imageset import InMemoryImages as InMemoryImages
    from contrascope.data.open import open_images as open_images
    from contrascope.data.settings import DataSettings as DataSettings
    from contrascope.data.stream import StreamedImages as StreamedImages

__getattr__ = attach(
    __name__,
    {
        "BadImage": "imageset",
        "ImageSet": "imageset",
        "InMemoryImages": "imageset",
        "open_images": "open",
        "draw_scenes": "drawn.scenes",
        "DataSettings": "settings",
        "draw_shapes": "drawn.shapes",
        "StreamedImages": "stream",
    },
)
