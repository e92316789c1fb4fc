from __future__ import annotations

from pathlib import Path

import pytest

from audit import registry

DOCS = Path(__file__).resolve().parents[2] / "docs" / "audit.md"


def documented():
    rows = {}
    for line in DOCS.read_text().partition("## Verbs")[2].splitlines():
        if line.startswith("| `"):
            verb, description = line.strip("| ").split(" | ", 1)
            rows[verb.strip("`")] = description
    return rows


def test_the_documentation_lists_every_verb_with_its_description():
    expected = {
        verb: text for verb, text in registry.registered_verbs().items() if not verb.startswith("tests.")
    }
    missing = "\n".join(f"| `{verb}` | {text} |" for verb, text in expected.items())
    assert documented() == expected, f"Write this table under Verbs in {DOCS.name}:\n{missing}"


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
