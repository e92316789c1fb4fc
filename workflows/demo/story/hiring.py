"""How an agent is hired: registered by a manager, granted what its job needs, activated by a second person."""

from __future__ import annotations

from dataclasses import dataclass

from workflows.demo.story import office
from workflows.demo.story.stage import POST

GRANTS = ("erp.party.create", POST)


@dataclass
class Hired:
    """An agent that works: where its file is, and the credential its process was given."""

    name: str
    path: str
    credential: dict[str, str]
    rule_path: str = ""
    rule_name: str = ""

    @property
    def id(self) -> str:
        """Return the id of the agent."""
        return office.key_of(self.path)
