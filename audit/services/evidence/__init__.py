"""Evidence packs: what an auditor asks for a period, built from the tables that rooms registered."""

from __future__ import annotations

from audit.services.evidence.building import Built, Wanted, build_pack, wanted

__all__ = ["Built", "Wanted", "build_pack", "wanted"]
