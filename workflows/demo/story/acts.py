"""The story itself: hired by two people, held to a rule, approved, rejected, and every step on record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from workflows.demo.story import hiring, inbox
from workflows.demo.story.stage import Stage, Worker
from workflows.demo.story.visitor import Page

LIMIT = hiring.LIMIT.format(euros="10,000.00")


def play(stage: Stage, agent: hiring.Hired) -> None:
    """Play the working life of one agent, from its first wish to a rule that was changed twice."""
    worker = Worker(stage, agent.credential)
    creates_a_supplier(stage, worker)
    small_one_goes_through(stage, worker)
    large_one_waits_for_bob(stage, worker)
    rejected_one_teaches(stage, worker)
    tightened_at_once_loosened_by_two(stage, worker, agent)
    worker.end()


def creates_a_supplier(stage: Stage, worker: Worker) -> None:
    """The first thing it was granted: a party in the ERP."""
    name = f"Nordsee Ventile {stage.mark}"
    wish = {"operation": "erp.party.create", "arguments": {"name": name, "city": "Husum"}}
    told = worker.do({**wish, "reason": "A new supplier"})
    found = stage.inspector.parties(name)
    stage.check("the agent creates a supplier", told["state"] == "confirmed", told)
    stage.check("the ERP has it, once, says a reader that is not ours", len(found) == 1, found)


def small_one_goes_through(stage: Stage, worker: Worker) -> None:
    """What is small is done at once and stands in the books."""
    told = worker.do(stage.invoice("SMALL", 480))
    stage.check("a small invoice is confirmed at once", told["state"] == "confirmed", told)
    _posted_once(stage, "SMALL", Decimal("480.00"))


def large_one_waits_for_bob(stage: Stage, worker: Worker) -> None:
    """What is large waits; a person decides with a reason; the same agent gets its answer."""
    worker.hand(stage.invoice("LARGE", 12_500))
    question = inbox.pending(stage.bob, stage.number("LARGE"))
    stage.check("a large invoice is held and bob is asked", ok=True)
    stage.check("nothing of it is in the books yet", stage.bills("LARGE") == [])
    page = stage.bob.page(f"/inbox/{question['id']}/")
    stage.check("bob reads the rule in words", LIMIT in page.words, page.words[:600])
    status = inbox.decide(stage.bob, question, "approve", "Checked against the order")
    stage.check("bob approves it in his inbox, with a reason", status in (200, 302), status)
    told = worker.answer()
    stage.check("the agent that waited learns that it is done", told["state"] == "confirmed", told)
    _posted_once(stage, "LARGE", Decimal("12500.00"))
    _told_as_a_story(stage, told)


def rejected_one_teaches(stage: Stage, worker: Worker) -> None:
    """A rejection reaches the agent with the reason and the next move."""
    worker.hand(stage.invoice("WRONG", 15_000))
    question = inbox.pending(stage.bob, stage.number("WRONG"))
    status = inbox.decide(stage.bob, question, "reject", "The order was for 1,500.00, not 15,000.00")
    stage.check("bob rejects the third", status in (200, 302), status)
    told = worker.answer()
    stage.check("the agent learns that it was rejected", told["state"] == "rejected", told)
    stage.check("and why, in bob's words", "1,500.00" in str(told.get("sentence")), told)
    stage.check("and what it may do next", bool(told.get("next")), told)
    stage.check("the books never saw it", stage.bills("WRONG") == [])


def tightened_at_once_loosened_by_two(stage: Stage, worker: Worker, agent: hiring.Hired) -> None:
    """Less is in force at the next call; more waits for a second person."""
    told = worker.do(stage.invoice("BEFORE", 6_000))
    stage.check("6,000 goes through below 10,000", told["state"] == "confirmed", told)
    hiring.change_limit(stage, agent, "5000.00")
    worker.hand(stage.invoice("AFTER", 6_000))
    question = inbox.pending(stage.bob, stage.number("AFTER"))
    stage.check("alice lowers 10,000 to 5,000: the next 6,000 is held", ok=True)
    inbox.decide(stage.bob, question, "approve", "Agreed by telephone")
    worker.answer()
    page = hiring.change_limit(stage, agent, "10000.00")
    stage.check("raising it back waits for a second person", "second person" in page.words, page.words[:600])
    worker.hand(stage.invoice("MEANWHILE", 6_000))
    meanwhile = inbox.pending(stage.bob, stage.number("MEANWHILE"))
    stage.check("meanwhile 6,000 is still held", ok=True)
    inbox.decide(stage.bob, meanwhile, "approve", "Agreed by telephone")
    worker.answer()
    inbox.second_person_approves(stage, f"Large invoices {stage.mark}", "Back to what it was")
    told = worker.do(stage.invoice("AGAIN", 6_000))
    stage.check("after that 6,000 goes through again", told["state"] == "confirmed", told)


def _posted_once(stage: Stage, name: str, total: Decimal) -> None:
    bills = stage.bills(name)
    right = [bill for bill in bills if bill.state == "posted" and bill.total == total]
    stage.check(f"the books have it once, posted, over {total:,} EUR", len(bills) == len(right) == 1, bills)


def _told_as_a_story(stage: Stage, told: dict[str, Any]) -> None:
    page: Page = stage.alice.page(f"/actions/{told['action']}/")
    wanted = ("Checked against the order", "Bob", LIMIT)
    missing = [words for words in wanted if words not in page.words]
    stage.check(
        "the timeline of the action tells it all", not missing, f"missing {missing}: {page.words[:900]}"
    )
    verbs = {event["verb"] for event in stage.events() if event["action_id"] == told["action"]}
    steps = {
        "actions.action_held",
        "approvals.vote_cast",
        "actions.action_authorized",
        "actions.action_confirmed",
    }
    stage.check("every step is in the ledger", steps <= verbs, sorted(verbs))
