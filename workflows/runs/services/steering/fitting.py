"""Who may be given the work of a step in place of whoever has it, and who may not (docs/adr/0016)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q, QuerySet

from agents.models import Agent, Department, User
from agents.selectors import agent_facts, departments_around
from audit.offers import Choice, Few, Offer, Rows
from audit.vocabulary import Refusal, RefusalKind
from workflows.actions.choices import FINAL
from workflows.actions.models import Action
from workflows.approvals.models import Approval, Vote
from workflows.runs import engine, selectors
from workflows.runs.models import Step
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.steering.verb import Standing

# Whoever takes work: an agent or a person by the user, or all people of a group.
Taker = User | Group
BY_RIGHT = "django.contrib.auth.backends.ModelBackend"
MOST_NAMED = 6


def takers(at: Standing, but: Collection[UUID] = ()) -> Offer:
    """Return the agents, groups and people that the named step may be given to, without some users."""
    agents, people = _agents(at).exclude(pk__in=but), _people(at).exclude(pk__in=but)

    def groups() -> list[Choice]:
        return [Choice(str(group.pk), group.name) for group in _groups(at)]

    def persons() -> list[Choice]:
        return [Choice(str(one.pk), str(one), one.username) for one in people.order_by("username")]

    return Offer(
        (
            Rows(lambda: agents, title="Agents", word="agent", columns=("agent__name", "agent__code")),
            Few(groups, "Groups", "group"),
            Few(persons, "People", "person"),
        )
    )


def taker(key: str) -> Taker:
    """Return who is meant by a key of ``takers``."""
    if key.isdecimal():
        return Group.objects.get(pk=key)
    return User.objects.select_related("agent").get(pk=key)


def require_fit(at: Standing, to: Taker) -> None:
    """Refuse whoever may not be given the named step, and say who may."""
    if why := _why_not(at, to):
        raise unfit(at, why)


def unfit(at: Standing, why: str) -> Refusal:
    """Return the refusal to give the named step to somebody; its next step names those who may have it."""
    agents = _agents(at)
    others: list[Taker] = [*_groups(at), *_people(at).order_by("username")]
    able = [*agents.values_list("agent__name", flat=True)[:MOST_NAMED], *map(name_of, others[:MOST_NAMED])]
    many = agents.count() + len(others)
    rest = f" and {many - MOST_NAMED} more" if many > MOST_NAMED else ""
    said = f"It may be given to: {', '.join(able[:MOST_NAMED])}{rest}."
    return Refusal(
        "cannot_take_it",
        f"{at.about} was not given to anybody else: {why}.",
        kind=RefusalKind.CONFLICT,
        next_step=said if able else "Nobody may be given it now. Wait, skip it, or answer it by hand.",
    )


def name_of(to: Taker) -> str:
    """Return what people call somebody who takes work."""
    if isinstance(to, Group):
        return to.name
    agent = agent_of(to) if to.is_agent else None
    return agent.name if agent else str(to)


def agent_of(user: User) -> Agent | None:
    """Return the agent whose identity a user is."""
    return Agent.objects.select_related("role", "department", "user").filter(user=user).first()


def _why_not(at: Standing, to: Taker) -> str:
    node = _node(at)
    if isinstance(to, Group):
        return _why_not_group(at, node, to)
    if not to.is_active:
        return f"{name_of(to)} has no active account"
    if to.is_agent:
        return _why_not_agent(node, to)
    return _why_not_person(at, node, to)


def _why_not_agent(node: engine.Node, to: User) -> str:
    agent = agent_of(to)
    if node.kind not in ("agent", "operation") or agent is None:
        return "work for people stays with people"
    if agent.role.code != node.facts["role"]:
        return f"{agent.name} does not have the role {node.facts['role']}"
    if agent.lifecycle != Agent.Lifecycle.ACTIVE or agent.brake != Agent.Brake.NONE:
        return f"{agent.name} may not work now"
    if lacking := sorted(set(node.facts.get("needs", ())) - set(agent.labels)):
        return f"{agent.name} lacks the label {', '.join(lacking)}"
    code = node.facts.get("department", "")
    department = Department.objects.filter(code=code).first() if code else None
    if code and (department is None or str(department.pk) not in agent_facts(agent).department_ids):
        return f"{agent.name} does not work in {code}"
    return ""


def _why_not_person(at: Standing, node: engine.Node, to: User) -> str:
    if node.kind == "operation":
        return "only an agent does an operation"
    if _people(at).filter(pk=to.pk).exists():
        return ""
    if node.kind == "agent" and _auditors().filter(pk=to.pk).exists():
        return f"{to} looks over this work as an auditor, and does none of it"
    if node.kind == "agent" and _decided(at).filter(pk=to.pk).exists():
        return f"{to} decided on what was asked for in it, and whoever decides does not do the work"
    named = " or ".join(sorted(_named_groups(at, node).values_list("name", flat=True)))
    charge = ", and is not in charge of it in its department" if node.kind == "agent" else ""
    return f"{to} does not belong to {named or 'any group that it names'}{charge}"


def _why_not_group(at: Standing, node: engine.Node, to: Group) -> str:
    if node.kind == "operation":
        return "only an agent does an operation"
    if not _named_groups(at, node).filter(pk=to.pk).exists():
        return f"the workflow does not name the group {to.name} for such work"
    members = User.objects.filter(groups=to, kind=User.Kind.PERSON, is_active=True)
    if not members.exists():
        return f"nobody in {to.name} has an active account"
    unfit_one = members.exclude(pk__in=_people(at).values("pk")).order_by("username").first()
    return f"{unfit_one} of {to.name} may not do it: choose one person instead" if unfit_one else ""


def _agents(at: Standing) -> QuerySet[User]:
    """Return the agents that ``_why_not_agent`` has nothing against, by name: one question, however many."""
    node = _node(at)
    if node.kind not in ("agent", "operation"):
        return User.objects.none()
    working = Agent.objects.filter(lifecycle=Agent.Lifecycle.ACTIVE, brake=Agent.Brake.NONE)
    able = working.filter(role__code=node.facts["role"], labels__contains=list(node.facts.get("needs", ())))
    if code := node.facts.get("department", ""):
        department = Department.objects.filter(code=code).first()
        below = [UUID(key) for key in departments_around(department)[1]] if department else []
        able = able.filter(department__in=below)
    return User.objects.filter(is_active=True, agent__in=able).order_by("agent__name", "pk")


def _groups(at: Standing) -> Sequence[Group]:
    node = _node(at)
    return [group for group in _named_groups(at, node).order_by("name") if not _why_not_group(at, node, group)]


def _people(at: Standing) -> QuerySet[User]:
    """Return the people who may be given the named step.

    Work for people: those of its groups. Work of an agent: those of the groups that the workflow names, and
    whoever steers runs and belongs to the department whose work it is, or answers for it. No auditors, and
    nobody who decided on what was asked for.
    """
    node = _node(at)
    people = User.objects.filter(kind=User.Kind.PERSON, is_active=True)
    if node.kind == "operation":
        return people.none()
    named = Q(groups__in=_named_groups(at, node))
    if node.kind != "agent":
        return people.filter(named).distinct()
    among = people.filter(named | _in_charge(at, node)).distinct()
    return among.exclude(pk__in=_auditors().values("pk")).exclude(pk__in=_decided(at).values("pk"))


def _named_groups(at: Standing, node: engine.Node) -> QuerySet[Group]:
    if node.kind == "agent":
        return selectors.groups_named_by(at.run.version)
    return selectors.groups_of_people().filter(name__in=node.facts.get("groups", ()))


def _in_charge(at: Standing, node: engine.Node) -> Q:
    """Whoever steers runs, and works in the department of the work or answers for it."""
    code = node.facts.get("department", "")
    department = Department.objects.filter(code=code).first() if code else at.run.department
    if department is None:
        return Q(pk__in=[])
    above, below = departments_around(department)
    steer = _people_with("runs.steer_run")
    return (Q(department__in=below) | Q(managed_departments__in=above)) & Q(pk__in=steer.values("pk"))


def _auditors() -> QuerySet[User]:
    """Return who reads everything: whoever looks over the work of others is no part of it."""
    return _people_with("audit.view_every_event")


def _people_with(permission: str) -> QuerySet[User]:
    holders = User.objects.with_perm(permission, include_superusers=False, backend=BY_RIGHT)
    return holders.filter(kind=User.Kind.PERSON)  # of ten thousand agents nobody need ask it


def _decided(at: Standing) -> QuerySet[User]:
    """Return who voted on what this step asked for, or on what the run asked for that is not over yet."""
    step = at.named
    same = Step.objects.filter(run=at.run, node=step.node, frame=step.frame_id, index=step.index)
    tasks = Step.objects.filter(run=at.run, task__isnull=False).values("task")
    asked = Action.objects.filter(Q(correlation_id=str(at.run.pk)) | Q(task__in=tasks))
    counts = Q(references__step_id__in=[str(key) for key in same.values_list("pk", flat=True)])
    counts |= ~Q(state__in=FINAL)
    approvals = Approval.objects.filter(pk__in=asked.filter(counts).values("approval"))
    somebody = OuterRef("pk")
    whose = Q(user=somebody) | Q(on_behalf_of=somebody) | Q(through=somebody)
    return User.objects.filter(Exists(Vote.objects.filter(whose, approval__in=approvals)))


def _node(at: Standing) -> engine.Node:
    return definition_of(at.run.version).nodes[at.named.node]
