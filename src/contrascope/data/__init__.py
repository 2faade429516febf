"""Images from anywhere as one kind of set: in memory as bytes, or streamed."""

from contrascope.data.imageset import BadImage as BadImage
from contrascope.data.imageset import ImageSet as ImageSet
from contrascope.data.imageset import InMemoryImages as InMemoryImages
from contrascope.data.open import open_images as open_images
from contrascope.data.scenes import draw_scenes as draw_scenes
from contrascope.data.settings import DataSettings as DataSettings
from contrascope.data.shapes import draw_shapes as draw_shapes
from contrascope.data.stream import StreamedImages as StreamedImages
