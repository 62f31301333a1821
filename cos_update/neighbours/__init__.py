"""The view as other services (metrics, billing) load it: pickled objects of their own classes.

Separate from the store: this package defines the layout of those objects, the store when and how safely the file is
written.
"""

from __future__ import annotations

from cos_update.neighbours.pickling import write

__all__ = ["write"]
