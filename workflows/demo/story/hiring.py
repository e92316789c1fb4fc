"""How an agent is hired: registered by a manager, granted what its job needs, activated by a second person."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from workflows.demo.story import inbox, office
from workflows.demo.story.stage import POST, Stage, rogue
from workflows.demo.story.visitor import Page, Surprise

GRANTS = ("erp.party.create", POST)
LIMIT = "Invoices above {euros} EUR need a person."
CEILING = 8


@dataclass
class Hired:
    """An agent that works: where its file is, the credential of its process, and the rule that binds it."""

    name: str
    path: str
    credential: dict[str, str]
    rule: str

    @property
    def id(self) -> str:
        """Return the id of the agent."""
        return office.key_of(self.path)


def hire(stage: Stage) -> Hired:
    """Register an agent in the admin, grant, limit and activate it, and return it with its credential."""
    stage.say("Alice registers an agent in the admin")
    name = f"Invoice clerk {stage.mark}"
    path = office.add(
        stage.alice,
        "agents/agent",
        "purpose",
        name=name,
        code=f"invoice-clerk-{stage.mark}",
        purpose="Enters the invoices of suppliers",
        sponsor="Alice Ahrens",
        department="Finance",
        role="Bookkeeper",
        autonomy="by_contract",
        risk_tier="medium",
        reason="We get 40 invoices a day",
        _continue="1",
    )
    stage.check("a manager registers an agent: a draft with a sponsor", "/agents/agent/" in path, path)
    grant(stage, path)
    rule = add_limit(stage, "10000.00")
    credential = issue_credential(stage, path)
    stage.check("a draft may not act yet", _refused_as_draft(stage, credential))
    office.press(stage.alice, path, "activate", reason="Ready to start work")
    question = inbox.pending(stage.bob, name)
    own = inbox.vote(stage.alice, question, "approve", "I vouch for it")
    stage.check("who asked for the activation cannot approve it", own.status_code in (403, 404), own.text[:300])
    status = inbox.decide(stage.bob, question, "approve", "Its grants fit the job")
    standing = stage.alice.get(f"/agents/{office.key_of(path)}")
    stage.check("a second person activates it", standing["lifecycle"] == "active", (status, standing))
    _end_probation(stage, path, name)
    return Hired(name, path, credential, rule)


def _end_probation(stage: Stage, path: str, name: str) -> None:
    """Two people end the probation it begins on: this company has tried the agent elsewhere before."""
    employed = f"/agents/{office.key_of(path)}"
    stage.check("it begins on probation", stage.alice.get(employed)["on_probation"])
    office.press(stage.alice, path, "promote", reason="It has worked here for a month before")
    status = inbox.decide(stage.bob, inbox.pending(stage.bob, name), "approve", "Its record there is good")
    ended = not stage.alice.get(employed)["on_probation"]
    stage.check("a second person ends its probation", ended, status)


def grant(stage: Stage, path: str) -> None:
    """Let a draft use what its job needs; its activation is what the second person looks at."""
    wanted = [office.key_of(office.row(stage.alice, "connectors/operation", code)) for code in GRANTS]
    page = office.change(
        stage.alice,
        office.link(stage.alice, path, "/admin/connectors/operation/"),
        "operations",
        operations=wanted,
        reason="Its job needs it",
    )
    missing = [code for code in GRANTS if f"may use {code}" not in page.words]
    stage.check(f"alice grants {' and '.join(GRANTS)}", not missing, page.words[:600])


def add_limit(stage: Stage, euros: str) -> str:
    """Add the rule ``hold above so much`` and return the address of its page."""
    path = office.add(
        stage.alice,
        "agents/rule",
        "comparison",
        policy="Company rules",
        name=f"Large invoices {stage.mark}",
        operations=POST,
        field="amount",
        comparison="above",
        value=euros,
        sentence=LIMIT.format(euros=f"{float(euros):,.2f}"),
        verdict="hold",
        mode="enforced",
        reason="A person looks at what is large",
        _continue="1",
    )
    page = stage.alice.page(path)
    condition = page.form("condition").filled()
    shown = dict(condition)["condition"]
    stage.check("the rule is written in CEL from the form", "amount" in shown, shown)
    return path


def change_limit(stage: Stage, agent: Hired, euros: str) -> Page:
    """Change the amount of the rule; return the page that says whether it waits."""
    sentence = LIMIT.format(euros=f"{float(euros):,.2f}")
    return office.change(
        stage.alice, agent.rule, "comparison", value=euros, sentence=sentence, reason=f"We want it at {euros}"
    )


def set_ceiling(stage: Stage, agent: Hired, number: str) -> None:
    """Limit how many invoices whose number begins so may be posted."""
    office.add(
        stage.alice,
        "agents/measure",
        "ceiling",
        code=f"many_{stage.mark}",
        name=f"The burst of {stage.mark}",
        scope=f"agent:{agent.id}",
        operations=POST,
        key=f'args.number.startsWith("{number}") ? "burst" : args.number',
        window="day",
        ceiling=CEILING,
        mode="enforced",
        reason="No more than eight of these",
    )


def issue_credential(stage: Stage, path: str) -> dict[str, str]:
    """Have a secret issued in the admin: shown once, and handed to the agent's process."""
    words = office.press(stage.alice, path, "issue_secret", days=30, reason="For its process").words
    client, secret = re.search(r"Client id\s+(\S+)", words), re.search(r"(aos_cs_[\w-]+)", words)
    if client is None or secret is None:
        raise Surprise(f"No credential was shown: {words[:400]}")
    stage.check("its secret is shown once", ok=True)
    stage.check("and is nowhere on its page", secret[1] not in stage.alice.page(path).words)
    return {"client_id": client[1], "client_secret": secret[1]}


def colleague(stage: Stage) -> dict[str, str]:
    """Return the credential of another agent that works here."""
    return dict(json.loads((stage.data / "agents" / "ledger-clerk.json").read_text()))


def _refused_as_draft(stage: Stage, credential: dict[str, str]) -> bool:
    (told,) = rogue(stage, credential, "one", stage.invoice("DRAFT", 10))
    return told["status"] == 403 and told["code"] == "agent_not_active"
