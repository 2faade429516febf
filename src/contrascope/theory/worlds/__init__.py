"""Small worlds whose truth is known."""

from contrascope.moved import now_a_room

__getattr__ = now_a_room(__name__)
