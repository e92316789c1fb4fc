"""A small company in which everything exists once for robo and its sponsor sam, and once for a rival."""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.utils import timezone

from agents.models import Agent, Calendar, Department, ExchangeRate, Measure, Policy, Role, Rule, Throttle
from agents.services import certificates, credentials, lifecycle, policies, stops, throttles
from agents.services.own import save_view
from audit.models import Event
from audit.services import keeping
from audit.vocabulary import Actor
from connectors.models import System
from connectors.policies.digests import digest_of
from connectors.services import grant_operation
from tests.company import PASSWORD
from tests.fakes import FakeSystem, arguments, install
from tests.workflows.test_runs import letters
from workflows.actions.models import StandingApproval
from workflows.actions.services import Ask, request_action
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.services.contesting import ANSWER_SCHEMA
from workflows.approvals.services import give_delegation
from workflows.backtests.services import ask_backtest
from workflows.documents.services import store_document
from workflows.notices.models import Mail, Post
from workflows.notices.services import save_channel
from workflows.runs.models import Run, Step, Workflow, WorkflowVersion
from workflows.tasks.services import claim_task, instruct_agent, open_task
from workflows.triggers.services import save_event_trigger, save_schedule, save_webhook

SET_UP = Actor.system("tests")
WHY = "set up for a test"
LIMIT = {
    "code": "daily",
    "name": "Invoices a day",
    "operations": "*.invoice.post",
    "window": "day",
    "ceiling": 100,
    "mode": "enforced",
}
THROTTLE = {"scope_kind": "operation", "scope_id": "fake.invoice.post", "content": {"most_at_once": 100}}
CALLERS = ("anon", "disabled", "robo", "mallory", "sam", "alice", "bob", "dave", "carol", "root")
PEOPLE = {"alice": "Managers", "bob": "Approvers", "dave": "Operators", "carol": "Auditors"}


@dataclass
class World:
    """The people by name, and per owner (``own``: robo and sam, ``other``: the rival) the objects of routes.

    ``fake``: the system that is somebody else's.
    """

    people: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    fake: Any = None


def build(fake: FakeSystem) -> World:
    """Make the world in the database at hand; nothing is dispatched, so nothing runs outside a transaction."""
    world = World(fake=fake)
    for name in ("alice", "bob", "dave", "carol", "mallory", "sam", "disabled", "root"):
        world.people[name] = _person(name)
    book = install(fake)
    company = Policy.objects.get(code="company")
    rule = policies.create_rule(actor=SET_UP, policy=company, content=_hold("amount > 100000"), reason=WHY)
    theirs = _hold("amount > 100000 && agent.code == 'rival'", "Managers", name="the rival's")
    other_rule = policies.create_rule(actor=SET_UP, policy=company, content=theirs, reason=WHY)
    robo, rival = _agent("robo", world.people["sam"]), _agent("rival", world.people["root"])
    policies.create_measure(actor=SET_UP, content=LIMIT, reason=WHY)
    throttles.add_throttle(actor=SET_UP, name="Calls", **THROTTLE, reason=WHY)
    ExchangeRate.objects.create(currency="USD", rate=925_926, valid_from=date(2020, 1, 1))
    # Stopped, so that a stop exists and stands in nobody's way.
    spare = _agent("spare", world.people["root"])
    for agent, operation in ((robo, "post"), (rival, "post"), (rival, "find")):
        grant_operation(actor=SET_UP, operation=book[operation], agent=agent, reason=WHY)
    world.own = _belongings(robo, world.people["alice"], rule, book["post"].code, spare)
    world.other = _belongings(rival, world.people["root"], other_rule, book["find"].code, spare)
    # In a year, so that nobody decides for anybody yet.
    world.own |= _away(world.people["sam"], world.people["root"])
    world.own["views"] = _view(world.people["sam"])
    world.other["views"] = _view(world.people["root"])
    world.other |= _away(world.people["root"], world.people["dave"])
    world.own |= _standing(world.own["actions"], world.people["alice"], world.people["root"])
    world.other |= _standing(world.other["actions"], world.people["root"], world.people["dave"])
    _told(world.people["sam"])
    world.clients = {name: _client(world, name) for name in CALLERS}
    return world


def _belongings(agent: Agent, proposer: Any, rule: Rule, code: str, spare: Agent) -> dict[str, Any]:
    """Return the objects of one owner by the key of the route that leads to them."""
    ask = Ask(operation="fake.invoice.post", arguments=arguments(f"RE-{agent.code}", 150_000))
    action = request_action(actor=agent.user.as_actor(), agent=agent, key=str(uuid.uuid4()), ask=ask)
    loosened = {"condition": rule.condition.replace("100000", "200000")}
    change = policies.propose_rule_change(
        actor=proposer.as_actor(), rule=rule, changes=loosened, reason=WHY
    ).change_request
    document = store_document(
        actor=agent.user.as_actor(),
        name=f"{agent.code}.xml",
        media_type="application/xml",
        content=io.BytesIO(f"<invoice>{agent.code}</invoice>".encode()),
        source="upload",
    )
    task = open_task(
        actor=SET_UP,
        kind="agent_work",
        title=f"Read the invoice of {agent.code}",
        subject=document.as_ref(),
        role=agent.role,
        users=[agent.user],
        priority=4,
    )
    claim_task(actor=agent.user.as_actor(), task_id=task.pk)
    stop = stops.raise_stop(actor=SET_UP, scope_kind="agent", scope_id=str(spare.pk), reason=WHY)
    with transaction.atomic():
        certificate = certificates.issue_certificate(
            actor=SET_UP, agent=agent, kind="demotion", sentence="It was put back.", reason=WHY
        )
    return {
        "agents": agent,
        "certificates": certificate,
        "actions": action,
        "approvals": action.approval,
        "change-requests": change,
        "stops": stop,
        "rules": rule,
        "policies": rule.policy,
        "limits": Measure.objects.get(code=LIMIT["code"]),
        "backtests": _backtest(proposer, rule),
        **_appeal(agent, rule),
        "throttles": Throttle.objects.get(),
        "calendars": Calendar.objects.get(),
        "legalholds": _legal_hold(agent),
        "retentionrules": _rule_of_retention(agent),
        "operations": code,
        "roles": agent.role,
        "systems": System.objects.get(operations__code=code),
        "role-templates": "procurement-clerk",
        "templates": "procurement-clerk",
        "documents": document,
        # Of an agent's own events; nothing is numbered or sealed in this world.
        "proofs": Event.objects.filter(agent_id=str(agent.pk)).first(),
        "tile": "0/000.p/1",
        "tasks": task,
        "instructions": instruct_agent(
            actor=agent.sponsor.as_actor(), agent=agent, text="Leave Acme for tomorrow.", reason=WHY
        ),
        "runs": (run := _run(agent, task)),
        "steps": run.steps.get(),
        **_triggers(agent.code),
        "work": _work_for_people("Approvers" if agent.code == "robo" else "Managers", document),
        "workflows": Workflow.objects.get(),
    }


def _legal_hold(agent: Agent) -> Any:
    return keeping.place_hold(actor=SET_UP, user=None, reason=WHY, scope="agent", target_id=str(agent.pk))


def _rule_of_retention(agent: Agent) -> Any:
    return keeping.write_rule(
        actor=SET_UP, user=None, data_class="documents", department=("", ""), days=500, reason=WHY
    )


def _view(owner: Any) -> Any:
    return save_view(actor=owner.as_actor(), page="inbox", name="Mine", query="show=mine&risk=high")


def _away(giver: Any, delegate: Any) -> dict[str, Any]:
    day = timezone.now().date() + timedelta(days=365)
    actor = giver.as_actor()
    given = give_delegation(actor=actor, delegate=delegate, first_day=day, last_day=day, reason=WHY)
    return {"delegations": given, "away": given}


def _appeal(agent: Agent, rule: Rule) -> dict[str, Any]:
    """Return an appeal of an agent, and a proposal as several of them would make it."""
    denied = request_action(
        actor=agent.user.as_actor(),
        agent=agent,
        key=str(uuid.uuid4()),
        ask=Ask(operation="fake.invoice.unknown", arguments={}),
    )
    appeal = Appeal.objects.create(
        action=denied, agent=agent, operation_code=denied.operation_code, reason=WHY, grounds=[]
    )
    appeal.task = open_task(
        actor=SET_UP,
        kind="exception",
        title="Answer an appeal",
        subject=appeal.as_ref(),
        groups=Group.objects.filter(name="Managers"),
        answer_schema=ANSWER_SCHEMA,
    )
    appeal.save(update_fields=["task"])
    proposal = Proposal.objects.create(
        kind="rule",
        subject_id=str(rule.pk),
        subject_name=rule.name,
        operation_code="fake.invoice.post",
        words="Hold such cases",
        changes={"note": "Look at it twice"},
        cases=3,
    )
    return {"appeals": appeal, "contested": proposal, "contested-rules": proposal}


def _standing(action: Any, first: Any, second: Any) -> dict[str, Any]:
    """Return what two people approved in advance; no rule is bound to it, so it answers nothing."""
    now = timezone.now()
    given = StandingApproval.objects.create(
        agent=action.agent,
        operation=action.operation,
        revision=1,
        binding="0" * 64,
        words=f"Lets {action.agent.name} do the like.",
        most_minor=1,
        most_uses=1,
        starts_at=now,
        until=now + timedelta(days=30),
        modelled_on=action.approval,
        granted_by=first,
        agreed_by=second,
        reason=WHY,
    )
    given.approver_groups.set(action.approval.approver_groups.all())
    return {"standing-approvals": given, "standing": given, "standingapprovals": given}


def _backtest(person: Any, rule: Rule) -> Any:
    until = timezone.now()
    since = until - timedelta(days=1)
    return ask_backtest(actor=person.as_actor(), rule=rule, since=since, until=until)


def _told(person: Any) -> None:
    """Make a channel, a message to it and a mail, none of which goes anywhere."""
    values = {"name": "Chat", "address": "https://chat.example/hooks/1"}
    channel = save_channel(actor=SET_UP, values=values, reason=WHY)
    Post.objects.create(channel=channel, body={"subject": "nothing"}, state="given_up")
    Mail.objects.create(person=person, state="given_up")


def _triggers(name: str) -> dict[str, Any]:
    """Return one of each kind of what starts the one workflow, none of which comes to anything by itself."""
    common = {"name": name, "workflow": Workflow.objects.get(code="letters"), "give": {"topic": '"bolts"'}}
    schedule = save_schedule(actor=SET_UP, values={**common, "cron": "0 9 1 1 *"}, reason=WHY)
    webhook = save_webhook(actor=SET_UP, values=common, reason=WHY)
    refused = {**common, "verbs": "agents.sign_in_refused"}
    reacting = save_event_trigger(actor=SET_UP, values=refused, reason=WHY)
    events = {"event-triggers": reacting, "eventtriggers": reacting}
    return {**events, "schedules": schedule, "webhooks": webhook, "hooks": webhook}


def _work_for_people(group: str, document: Any) -> Any:
    form = {"type": "object", "additionalProperties": False, "properties": {"note": {"type": "string"}}}
    return open_task(
        actor=SET_UP,
        kind="human_work",
        title=f"Settle it, {group}",
        subject=document.as_ref(),
        groups=Group.objects.filter(name=group),
        answer_schema=form,
    )


def _run(agent: Agent, task: Any) -> Run:
    """Return a run of the one workflow, whose first step is a task that the agent has claimed."""
    workflow, made = Workflow.objects.get_or_create(
        code="letters", defaults={"name": "Letters", "owner": Group.objects.get(name="Managers")}
    )
    if made:
        workflow.current = WorkflowVersion.objects.create(
            workflow=workflow,
            number=1,
            text="as in the tests of the engine",
            content=letters(),
            sha256=digest_of(letters()),
            state="approved",
            proposed_by=get_user_model().objects.get(username="alice"),
            approved_by=get_user_model().objects.get(username="bob"),
        )
        workflow.save(update_fields=["current"])
    run = Run.objects.create(
        workflow=workflow, version=workflow.current, key=agent.code, label=agent.code, input_digest="0" * 64
    )
    Step.objects.create(run=run, node="read", kind="agent", name="Read", state="running", task=task)
    return run


def _client(world: World, name: str) -> Client:
    """Return a client signed in as one caller: people by session, the agent by a token it bought."""
    client = Client()
    if name == "robo":
        agent = world.own["agents"]
        issued = credentials.issue_client_secret(actor=SET_UP, agent=agent, reason=WHY)
        form = {"grant_type": "client_credentials", "client_id": issued.client_id}
        form["client_secret"] = issued.secret
        answer = client.post("/oauth/token", urlencode(form), content_type="application/x-www-form-urlencoded")
        return Client(headers={"authorization": f"Bearer {answer.json()['access_token']}"})
    if name != "anon":
        client.force_login(world.people[name])
    if name == "disabled":
        world.people[name].is_active = False
        world.people[name].save(update_fields=["is_active"])
    return client


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Undo what one probe did, and let boundaries record refusals as if nothing were around them."""
    block = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


def _person(name: str) -> Any:
    user = get_user_model().objects.create_user(name, f"{name}@northwind.example", PASSWORD, is_staff=True)
    user.is_superuser = name == "root"
    user.save(update_fields=["is_superuser"])
    group = PEOPLE.get(name, "Managers" if name == "disabled" else "")
    user.groups.set(Group.objects.filter(name=group))
    return user


def _agent(code: str, sponsor: Any) -> Agent:
    finance, _ = Department.objects.get_or_create(code="finance", defaults={"name": "Finance"})
    role = Role.objects.filter(code="bookkeeper").first()
    if role is None:
        role = Role.objects.create(
            code="bookkeeper", name="Bookkeeper", group=Group.objects.create(name="Role: bookkeeper")
        )
    agent = lifecycle.register_agent(
        actor=SET_UP,
        name=code.capitalize(),
        code=code,
        purpose="Posts invoices.",
        sponsor=sponsor,
        department=finance,
        role=role,
        reason=WHY,
    )
    agent.lifecycle, agent.autonomy = Agent.Lifecycle.ACTIVE, Agent.Autonomy.BY_CONTRACT
    agent.save(update_fields=["lifecycle", "autonomy"])
    return agent


def _hold(condition: str, group: str = "Approvers", name: str = "large invoices") -> dict[str, Any]:
    return {
        "name": name,
        "sentence": "invoices above 1,000.00 EUR need a person",
        "operations": "*.invoice.post",
        "condition": condition,
        "verdict": "hold",
        "mode": "enforced",
        "approver_group": Group.objects.get(name=group),
    }
