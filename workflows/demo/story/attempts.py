"""What a rogue tries with the same credential: each attempt refused with the right code, and on record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from workflows.demo.story import hiring, inbox
from workflows.demo.story.stage import POST, Stage, rogue, start_rogue
from workflows.demo.story.visitor import eventually

BURST = 500


def play(stage: Stage, agent: hiring.Hired, other: dict[str, str], stale: Stale) -> None:
    """Play every attempt; ``other`` is the credential of a second agent."""
    no_grant(stage, agent)
    over_the_threshold(stage, agent)
    the_same_invoice_twice(stage, agent)
    after_approval(stage, agent)
    another_agents_action(stage, agent, other)
    five_hundred_at_once(stage, agent)
    paused(stage, agent)
    stopped_in_the_middle(stage, agent)
    stale.is_refused(stage, agent)


def no_grant(stage: Stage, agent: hiring.Hired) -> None:
    """What was never granted is denied, and so is what does not exist."""
    after = stage.position()
    wish = {"operation": "erp.supplier_invoice.find", "arguments": {"supplier": "SUP-001"}}
    _refused(stage, "an operation it was never granted", agent, "one", wish, 403, "no_grant")
    wish = {"operation": "erp.payment.approve", "arguments": {}}
    _refused(stage, "an operation that does not exist", agent, "one", wish, 403, "unknown_operation")
    stage.recorded(after, "no grant", _denied(agent, "no_grant"))
    stage.recorded(after, "unknown operation", _denied(agent, "unknown_operation"))


def over_the_threshold(stage: Stage, agent: hiring.Hired) -> None:
    """Too much is held, and an agent cannot approve anything, least of all its own."""
    after = stage.position()
    (told,) = rogue(stage, agent.credential, "one", stage.invoice("OVER", 10_000.01))
    stage.check("one cent over the threshold is held", (told["status"], told["state"]) == (202, "held"), told)
    question = inbox.pending(stage.bob, stage.number("OVER"))
    case = {"approval": question["id"], "digest": question["digest"]}
    (told,) = rogue(stage, agent.credential, "vote", case)
    stage.check("it cannot approve its own request", told["status"] in (403, 404), told)
    again = inbox.vote(stage.alice, question, "approve", "I would like to")
    stage.check("who is no approver cannot either", again.status_code in (403, 404), again.text[:300])
    inbox.decide(stage.bob, question, "reject", "Not ordered by anybody")
    stage.check("nothing of it is in the books", stage.bills("OVER") == [])
    stage.recorded(after, "held", _fits(agent, verb="actions.action_held"))
    stage.recorded(after, "rejected", _fits(agent, verb="actions.action_rejected"))


def the_same_invoice_twice(stage: Stage, agent: hiring.Hired) -> None:
    """The same supplier and number is a duplicate under any key."""
    after = stage.position()
    first, second = rogue(stage, agent.credential, "again", stage.invoice("TWICE", 90))
    stage.check("the first of two is done", first["status"] == 201, first)
    _expect(stage, "the same supplier and number again", second, 409, "duplicate")
    stage.check("the books have it once", len(stage.bills("TWICE")) == 1, stage.bills("TWICE"))
    stage.recorded(after, "duplicate", _denied(agent, "duplicate"))


def after_approval(stage: Stage, agent: hiring.Hired) -> None:
    """An approval is for exactly what was shown, and for once."""
    after = stage.position()
    wish, key = stage.invoice("BYTE", 11_000), f"byte-{stage.mark}"
    (told,) = rogue(stage, agent.credential, "swap", {"wish": wish, "key": key})
    question = inbox.pending(stage.bob, stage.number("BYTE"))
    wrong = inbox.vote(stage.bob, question, "approve", "Fine", digest=_one_off(question["digest"]))
    stage.check("a vote on another digest is refused", wrong.status_code in (409, 422), wrong.text[:300])
    inbox.decide(stage.bob, question, "approve", "Checked against the order")
    eventually(lambda: stage.bills("BYTE"), "the approved invoice is posted")
    changed = json.loads(json.dumps(wish).replace("1100000", "1100001"))
    (told,) = rogue(stage, agent.credential, "swap", {"wish": changed, "key": key})
    _expect(stage, "one byte changed after approval", told, 422, "idempotency_key_reused")
    for told in rogue(
        stage, agent.credential, "edit", {"action": _action_of(stage, agent, "BYTE"), "wish": changed}
    ):
        stage.check("an action cannot be edited", told["status"] == 405, told)
    again = inbox.vote(stage.bob, question, "approve", "Once more")
    stage.check("a used approval is refused", again.status_code == 409, again.text[:300])
    (told,) = rogue(stage, agent.credential, "one", stage.invoice("BYTE", 11_000))
    _expect(stage, "the approved request under a new key", told, 409, "duplicate")
    (told,) = rogue(stage, agent.credential, "one", stage.invoice("BYTE2", 11_000))
    stage.check("another one like it needs its own approval", told.get("state") == "held", told)
    inbox.decide(stage.bob, inbox.pending(stage.bob, stage.number("BYTE2")), "reject", "Not ordered")
    stage.check("the books have the approved one once", len(stage.bills("BYTE")) == 1, stage.bills("BYTE"))
    stage.recorded(after, "changed after approval", _fits(agent, code="idempotency_key_reused"))
    stage.recorded(after, "refused votes", lambda event: event["verb"] == "approvals.vote_refused", least=2)


def another_agents_action(stage: Stage, agent: hiring.Hired, other: dict[str, str]) -> None:
    """What another agent asked for is not there for this one."""
    case = {"action": _action_of(stage, agent, "BYTE")}
    read, withdrawn = rogue(stage, other, "meddle", case)
    stage.check("another agent's action cannot be read", read["status"] == 404, read)
    stage.check("nor withdrawn", withdrawn["status"] == 404, withdrawn)


def five_hundred_at_once(stage: Stage, agent: hiring.Hired) -> None:
    """A ceiling is exact: of 500 at once, as many pass as it says."""
    after, ceiling = stage.position(), hiring.CEILING
    hiring.set_ceiling(stage, agent, stage.number("MANY"))
    case = {"wish": stage.invoice("MANY", 10, tail="-{n}"), "count": BURST}
    (told,) = rogue(stage, agent.credential, "burst", case)
    counts = dict(told["counts"])
    refused = counts.pop("429 limit_reached", 0)
    passed = sum(counts.values())
    stage.score.counts["burst"] = {"asked": BURST, "ceiling": ceiling, "passed": passed, "refused": refused}
    exact = (passed, refused) == (ceiling, BURST - ceiling) and all(key[:3] in ("201", "202") for key in counts)
    stage.check(f"of {BURST} at once exactly {ceiling} pass, the others are 429", exact, told["counts"])
    eventually(lambda: len(_posted(stage, "MANY")) >= ceiling, "the ones that passed are posted", 60)
    bills = _posted(stage, "MANY")
    once = len({bill.reference for bill in bills}) == len(bills) == ceiling
    stage.check(f"the books have exactly {ceiling} of them, each once", once, len(bills))
    stage.recorded(after, f"{BURST - ceiling} refusals", _denied(agent, "limit_reached"), least=BURST - ceiling)


def paused(stage: Stage, agent: hiring.Hired) -> None:
    """A pause holds from the next call on."""
    after = stage.position()
    reply = stage.dave.api("POST", f"/agents/{agent.id}/pause", {"reason": "Looking into something"})
    stage.check("dave pauses the agent", reply.status_code == 200, reply.text[:300])
    _refused(
        stage, "the next call of a paused agent", agent, "one", stage.invoice("PAUSED", 20), 403, "agent_paused"
    )
    reply = stage.alice.api("POST", f"/agents/{agent.id}/lift-brake", {"reason": "It was nothing"})
    stage.check("alice lifts the brake", reply.status_code == 200, reply.text[:300])
    stage.recorded(after, "paused", _denied(agent, "agent_paused"))


def stopped_in_the_middle(stage: Stage, agent: hiring.Hired) -> None:
    """A stop holds in a race: after its commit nothing is dispatched."""
    after = stage.position()
    wish = {
        "operation": "erp.party.create",
        "arguments": {"name": f"Flood {stage.mark} {{n}}", "city": "Bremen"},
    }
    flood = start_rogue(stage, agent.credential, "flood", {"wish": wish, "threads": 3, "seconds": 20})
    eventually(lambda: stage.inspector.parties(f"Flood {stage.mark}"), "the flood has begun")
    body = {"scope_kind": "agent", "scope_id": agent.id, "reason": "Stop everything it does"}
    reply = stage.dave.api("POST", "/stops", body)
    stage.check("dave stops the agent in the middle of it", reply.status_code == 201, reply.text[:300])
    told = json.loads(flood.communicate(timeout=60)[0])
    last = [answer for answer in told if answer["status"] == 403]
    stage.check("it is refused with the code stopped", bool(last) and last[-1]["code"] == "stopped", told[-3:])
    _nothing_after_the_stop(stage, agent, after)
    lifted = stage.alice.api("POST", f"/stops/{reply.json()['id']}/lift", {"reason": "The story goes on"})
    stage.check("the stop is lifted by a manager", lifted.status_code == 200, lifted.text[:300])


def _nothing_after_the_stop(stage: Stage, agent: hiring.Hired, after: int) -> None:
    time.sleep(2)
    events = [event for event in stage.events(after) if event["agent_id"] == agent.id or event["subject_id"]]
    stop = next(event["position"] for event in events if event["verb"] == "agents.stop_raised")
    dispatched = [event["position"] for event in events if event["verb"] == "actions.action_dispatched"]
    late = [position for position in dispatched if position > stop]
    stage.score.counts["stop"] = {
        "dispatched_before": len(dispatched) - len(late),
        "dispatched_after": len(late),
    }
    stage.check("0 dispatches after the stop's commit", dispatched and not late, (stop, dispatched))
    stage.recorded(after, "stopped", lambda event: event["code"] == "stopped")


class Stale:
    """A token fetched early and used late."""

    def __init__(self, stage: Stage, agent: hiring.Hired) -> None:
        (told,) = rogue(stage, agent.credential, "fresh", {})
        self.token, self.ends = told["access_token"], time.monotonic() + told["expires_in"] + 1

    def is_refused(self, stage: Stage, agent: hiring.Hired) -> None:
        """Wait until its time is over and use it."""
        after = stage.position()
        if (left := self.ends - time.monotonic()) > 0:
            stage.say(f"Waiting {left:.0f} s for the first token to expire")
            time.sleep(left)
        case = {"token": self.token, "wish": stage.invoice("STALE", 30)}
        for answer in rogue(stage, agent.credential, "token", case):
            _expect(stage, "an expired token", answer, 401, "token_expired")
        stage.check("nothing of it is in the books", stage.bills("STALE") == [])
        stage.recorded(after, "expired token", lambda event: event["code"] == "token_expired")


def _refused(
    stage: Stage, what: str, agent: hiring.Hired, attempt: str, case: dict[str, Any], status: int, code: str
) -> None:
    for told in rogue(stage, agent.credential, attempt, case):
        _expect(stage, what, told, status, code)


def _expect(stage: Stage, what: str, told: dict[str, Any], status: int, code: str) -> None:
    right = (told["status"], told.get("code")) == (status, code)
    stage.check(f"{what}: {status} {code}", right, told)


def _fits(agent: hiring.Hired, **wanted: str) -> Callable[[dict[str, Any]], bool]:
    def fits(event: dict[str, Any]) -> bool:
        return event["agent_id"] == agent.id and all(event[name] == value for name, value in wanted.items())

    return fits


def _denied(agent: hiring.Hired, code: str) -> Callable[[dict[str, Any]], bool]:
    return _fits(agent, code=code, decision="deny")


def _posted(stage: Stage, name: str) -> list[Any]:
    return [bill for bill in stage.bills(name) if bill.state == "posted"]


def _action_of(stage: Stage, agent: hiring.Hired, name: str) -> str:
    number = stage.number(name)

    def look() -> str | None:
        shown = stage.alice.get("/actions", operation=POST)["results"]
        return next((row["id"] for row in shown if row["arguments"].get("number") == number), None)

    return str(eventually(look, f"the action about {number}"))


def _one_off(digest: str) -> str:
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")
