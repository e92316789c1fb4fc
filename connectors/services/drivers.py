"""Drivers are loaded by name, here and nowhere else: nobody imports one."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from audit.vocabulary import Refusal, RefusalKind
from connectors.choices import driver_kinds
from connectors.vocabulary import Driver


@lru_cache(maxsize=64)
def load_driver(kind: str) -> Driver:
    """Return the driver in ``connectors/kinds/<kind>/driver.py``; raise Refusal when there is none."""
    if kind not in dict(driver_kinds()):
        raise Refusal(
            "unknown_driver",
            f"There is no driver of the kind {kind!r}. Choose one of: {', '.join(dict(driver_kinds()))}.",
            kind=RefusalKind.INVALID,
        )
    driver: Driver = import_module(f"connectors.kinds.{kind}.driver").driver
    return driver
