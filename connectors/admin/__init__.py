from __future__ import annotations

from connectors.admin import calls, operations, systems

__all__ = ["calls", "operations", "systems"]
