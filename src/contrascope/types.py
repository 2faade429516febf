"""Names of the tensors that travel between rooms."""

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

Scalar = Float[Tensor, ""]
"""One real number on a device."""

ByteImages = UInt8[Tensor, "batch channel height width"]
"""Pixels as they are stored: 0 to 255."""

FloatImages = Float[Tensor, "batch channel height width"]
"""Pixels as operations and encoders see them: 0 to 1."""

Views = Float[Tensor, "views batch channel height width"]
"""Augmented images, 0 to 1; views are an axis."""

Ids = Int[Tensor, " batch"]
"""Image ids: the position of each image in its set, the key of its randomness."""

Labels = Int[Tensor, " batch"]
"""Class indices from 0."""

Mask = Bool[Tensor, " batch"]
