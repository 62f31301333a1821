"""The view as the services beside us load it, metrics and billing among them: objects of classes of their own.

Apart from the store, because here is only said what is where in their objects; the store says when the file is
written, and how safely.
"""

from __future__ import annotations

from cos_update.neighbours.pickling import write

__all__ = ["write"]
