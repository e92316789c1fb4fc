"""What a process has loaded to begin with stays; the collector of cycles looks past it, and delays nobody."""

from __future__ import annotations

import gc

from django.urls import get_resolver


def settle() -> None:
    """Load what the first request would, and let the collector of cycles look past everything there is by now.

    A full look at what Django and the rooms are made of takes a tenth of a second, and comes without a warning.
    """
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
