"""Names of the tensors that travel between rooms."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
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


@runtime_checkable
class HeldElsewhere(Protocol):
    """An array of another library, as JAX's or a table of pandas: numpy can read it."""

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray: ...
