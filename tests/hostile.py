"""An agent that writes hostile words into every field it has, over the same API as any other agent."""

from __future__ import annotations

import copy
import json
import re
import uuid
from itertools import count
from typing import Any

from tests.fakes import arguments
from tests.workflows.approved import in_force
from tests.workflows.test_runs import letters
from tests.world import SET_UP, WHY, World
from workflows.runs import services as runs
from workflows.runs.models import Run, Step

# Short enough for every field that takes words: an element out of an attribute, htmx, what turns text round and
# hides, a terminal's colour, a template.
HOSTILE = '"><i zq onclick=zq() hx-get=/zq>\u202e\u200b\x1b[1m{{7*7}}zq'
# Taken for an address where one is expected.
ADDRESS = "javascript:zq()//"
# What a table of cells would calculate.
FORMULAS = ("=1+zq", "+1+zq", "-1+zq", "@zq", "\t=1+zq", "\r=1+zq")
MUCH = 900_000  # characters; a body may have a MiB

TEXT = {"type": "string", "maxLength": 1_000_000}
ANSWER = {
    "type": "object",
    "required": ["kind"],
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "maxLength": 60},
        "pages": {"type": "integer"},
        "more": {"type": "array", "maxItems": 9, "items": TEXT},
        "named": {"type": "object", "maxProperties": 9, "additionalProperties": TEXT},
    },
}
# Characters that nobody sees; the API refuses them in arguments that are no free text.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_numbers = count(1)


def stories() -> dict[str, Any]:
    """Return a workflow that repeats what its agent says wherever a workflow can."""
    content = letters()
    content |= {"code": "stories", "name": "Stories", "label": "input.topic"}
    content["input"]["properties"]["topic"] = TEXT
    nodes = content["nodes"]
    nodes["read"] |= {"answer": ANSWER, "title": "input.topic", "label": "steps.read.answer.kind"}
    nodes["read"]["next"] = "enter"
    nodes["enter"]["arguments"] |= {
        "number": "steps.read.answer.kind",
        "supplier": "steps.read.answer.kind",
        "total": '{"minor": 150000, "currency": "EUR"}',
    }
    nodes["look"] |= {
        "title": "run.label",
        "show": {"Said": "steps.read.answer", "Failed": "steps.read.error", "Asked": "input.topic"},
    }
    return copy.deepcopy(content)


class HostileAgent:
    """Robo, and what it says: ``words`` in every field, cut to what the field takes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.robo = world.own["agents"]
        self.client = world.clients["robo"]
        self.words = HOSTILE
        in_force(world.people["alice"], world.people["bob"], stories())
        self._may_start_runs()

    @property
    def seen(self) -> str:
        """Return what can be seen of the words."""
        return UNSEEN.sub("", self.words)

    def says(self, words: str) -> None:
        """Write ``words`` into every field, and make what came of it what the routes of the world lead to."""
        self.words = words
        self.world.fake.extra = {"state": words, "number": words}
        self._documents()
        self._tasks()
        self._actions()
        self._questions()
        self._runs()

    def post(self, address: str, body: dict[str, Any], *, expected: int = 0) -> dict[str, Any]:
        """Post as the agent; return the answer, which is no refusal unless ``expected``."""
        answer = self.client.post(
            f"/api/v1/{address}",
            json.dumps(body),
            content_type="application/json",
            headers={"Idempotency-Key": str(uuid.uuid4()), "Prefer": "wait=0"},
        )
        assert answer.status_code == expected or (not expected and answer.status_code < 300), (
            address,
            answer.status_code,
            answer.content[:600],
        )
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, *, minor: int = 12_300, operation: str = "fake.invoice.post", **more: Any) -> dict[str, Any]:
        """Ask for an invoice, every word of it hostile."""
        return self.post("actions", self.wish(minor=minor, operation=operation, **more))

    def wish(self, *, minor: int = 12_300, operation: str = "fake.invoice.post", **more: Any) -> dict[str, Any]:
        """Return the body that asks for it."""
        words, seen = self.words, self.seen
        return {
            "operation": operation,
            "arguments": arguments(seen, minor, supplier=seen, note=seen),
            "reason": f"{words} {ADDRESS} {words}",
            "evidence": [words, ADDRESS, {words: words, "url": ADDRESS}, [words]],
            "confidence": words[:20],
            "provenance": {"args.total": words, words[:40]: words},
            "correlation_id": words[:64],
            **more,
        }

    def start(self, *, topic: str = "") -> Run:
        """Ask for a run called as the agent likes, let it start, and return it."""
        wish = {
            "workflow": "stories",
            "key": f"{self.seen}{next(_numbers)}",
            "input": {"topic": topic or self.seen},
        }
        self.ask(operation="portal.run.start", arguments=wish)
        runs.tick()
        return Run.objects.get(workflow__code="stories", key=wish["key"])

    def claim(self, run: Run) -> tuple[str, dict[str, Any]]:
        """Claim the work of a run; return the address of its verbs and the body that names the claim."""
        task = Step.objects.get(run=run, node="read", task__state="open").task
        claimed = self.post(f"tasks/{task.pk}/claim", {"lease_seconds": 900})
        return f"tasks/{task.pk}/", {"epoch": claimed["epoch"]}

    def _may_start_runs(self) -> None:
        from connectors.services import grant_operation

        operation = runs.install_portal(actor=SET_UP)
        grant_operation(actor=SET_UP, operation=operation, agent=self.robo, reason=WHY)

    def _documents(self) -> None:
        from urllib.parse import quote

        from workflows.documents.models import Document

        answer = self.client.generic(
            "POST",
            f"/api/v1/documents?name={quote(self.words)}",
            f"{self.words} {next(_numbers)}".encode(),
            content_type='text/html; x="zq"',
        )
        assert answer.status_code in (200, 201), answer.content
        self.world.own["documents"] = Document.objects.get(pk=answer.json()["id"])

    def _actions(self) -> None:
        from workflows.actions.models import Action

        self.ask()
        self.world.fake.fail_next("422")
        self.post("actions", self.wish(), expected=422)
        self.world.fake.fail_next("effect_then_500")
        self.ask()
        withdrawn = self.ask(minor=150_001)
        self.post(f"actions/{withdrawn['id']}/withdraw", {"reason": self.words})
        denied = self.post("actions", self.wish(operation="fake.invoice.find"), expected=403)
        self.post(f"actions/{denied['action']}/appeal", {"reason": f"{self.words} {ADDRESS}"})
        self.post("model-use", {"key": self.words, "model": self.words, "input_tokens": 7})
        held = Action.objects.get(pk=self.ask(minor=150_000)["id"])
        self.world.own |= {"actions": held, "approvals": held.approval}

    def _questions(self) -> None:
        """Let people ask the agent back about what is held; it answers, and says how far it is."""
        approval = self.world.own["approvals"]
        answer = self.world.clients["bob"].post(
            f"/api/v1/approvals/{approval.pk}/questions",
            json.dumps({"question": "Which order is it for?"}),
            content_type="application/json",
        )
        assert answer.status_code == 201, answer.content
        (task,) = self.post("tasks/claim", {"most": 1})["tasks"]
        mine = f"tasks/{task['id']}/"
        self.post(f"{mine}heartbeat", {"epoch": task["epoch"], "progress": self.words})
        said = {"epoch": task["epoch"], "answer": {"answer": f"{self.seen} {ADDRESS}"}, "reason": self.words}
        self.post(f"{mine}complete", said)

    def _tasks(self) -> None:
        """Fail, give back, hand over, ask: one task each, as the work of a run."""
        words, seen = self.words, self.seen
        failing = {"code": "malformed", "message": words, "detail": {words: [words, ADDRESS]}}
        for retry in (False, True):
            address, claim = self.claim(self.start())
            self.post(f"{address}fail", {**claim, **failing, "retry": retry})
        address, claim = self.claim(self.start())
        self.post(f"{address}release", {**claim, "reason": words, "after_seconds": 3600})
        address, claim = self.claim(self.start())
        to = {"role": "bookkeeper"}
        self.post(f"{address}hand-off", {**claim, "to": to, "reason": words, "note": f"{words} {ADDRESS}"})
        address, claim = self.claim(self.start())
        schema = {
            "type": "object",
            "title": seen,
            "additionalProperties": False,
            "properties": {"zq": {"type": "string", "maxLength": 60, "title": seen, "description": seen}},
        }
        asked = {**claim, "to": {"group": "Approvers"}, "question": words, "schema": schema}
        self.post(f"{address}ask", asked)
        self.post(f"{address}heartbeat", {**claim, "progress": words})
        runs.tick()

    def _runs(self) -> None:
        """Work for runs as well: one whose operation is held, and one at work that the routes lead to."""
        finished = self.start()
        address, claim = self.claim(finished)
        answer = {"kind": self.seen, "more": [self.seen, ADDRESS], "named": {self.seen: ADDRESS}}
        self.post(f"{address}complete", {**claim, "answer": answer, "reason": self.words})
        runs.tick()
        run = self.start()
        address, claim = self.claim(run)
        self.post(f"{address}heartbeat", {**claim, "progress": self.words, "lease_seconds": 900})
        step = Step.objects.get(run=run, node="read")
        self.world.own |= {"runs": run, "steps": step, "tasks": step.task}
