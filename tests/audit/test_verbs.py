from __future__ import annotations

import os
from pathlib import Path

import pytest

from audit import registry

HEADING = "## Verbs\n\n"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "audit.md"


def table():
    rows = [f"| `{verb}` | {text} |" for verb, text in registry.registered_verbs().items()]
    return "\n".join(["| verb | meaning |", "|---|---|", *rows]) + "\n"


def test_the_documentation_lists_every_verb_with_its_description():
    text, heading, verbs = DOCS.read_text().partition(HEADING)
    if os.environ.get("WRITE_DOCS"):
        DOCS.write_text(text + heading + table())
    elif verbs != table():
        missing = [line for line in table().splitlines() if line not in verbs.splitlines()]
        stale = [line for line in verbs.splitlines() if line not in table().splitlines()]
        pytest.fail(
            f"The table in {DOCS.name} is not that of the code; run this test with WRITE_DOCS=1 to write it.\n"
            + "\n".join(["missing:", *missing, "stale:", *stale])
        )


@pytest.mark.parametrize("verb", ["paused", "Agents.paused", "agents.agent paused", "agents.", ".x", "a.b.c"])
def test_a_malformed_verb_is_refused(verb, monkeypatch):
    monkeypatch.setattr(registry, "_verbs", {})
    with pytest.raises(ValueError, match="not a verb"):
        registry.register_verbs({verb: "It happened."})


def test_a_verb_has_one_description(monkeypatch):
    monkeypatch.setattr(registry, "_verbs", {})
    registry.register_verbs({"tests.thing_done": "It happened."})
    registry.register_verbs({"tests.thing_done": "It happened."})
    with pytest.raises(ValueError, match="already described"):
        registry.register_verbs({"tests.thing_done": "It happened otherwise."})
    with pytest.raises(ValueError, match="description"):
        registry.register_verbs({"tests.other_done": " "})
