"""Very much of everything, made of what is there: so that pages are tried at the size of a large company."""

from __future__ import annotations

from workflows.demo.volume.families import families_of
from workflows.demo.volume.multiplying import Family, multiply

__all__ = ["Family", "families_of", "multiply"]
