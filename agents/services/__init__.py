"""Everything that changes the workforce; import the module you need: ``from agents.services import stops``."""

from __future__ import annotations
