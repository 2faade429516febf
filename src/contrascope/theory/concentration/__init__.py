"""The augmented distance, sigma and delta, cliques."""

from contrascope.moved import now_a_room

__getattr__ = now_a_room(__name__)
