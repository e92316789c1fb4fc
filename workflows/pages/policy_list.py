"""The policies of the company: whom each binds, what its rules do, and what waits or is contested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Model, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import Agent, ChangeRequest, Department, Policy, PolicyScope, PolicyVersion, Role, Rule, User
from agents.policies import may_publish_rule
from agents.selectors import visible_policies
from workflows.pages.access import for_people, page
from workflows.pages.appeals import may_see_contested
from workflows.pages.sheets import as_sheet
from workflows.pages.words import Tag

# A word that is translated when it is shown; to those who read types it is the text that it will be.
lazy: Any = gettext_lazy
ON_A_PAGE = 50
MOST_IN_A_SHEET = 2000
Mode, Verdict = Rule.Mode, Rule.Verdict
SCOPES = {"department": Department, "role": Role, "agent": Agent}
KINDS = (
    ("", lazy("All")),
    (PolicyScope.COMPANY, lazy("The whole company")),
    (PolicyScope.DEPARTMENT, lazy("Departments")),
    (PolicyScope.ROLE, lazy("Roles")),
    (PolicyScope.AGENT, lazy("Single agents")),
)


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One policy of the list."""

    policy: Any
    binds: str
    counts: list[Tag]
    waiting: int


@never_cache
@require_safe
@for_people
def policies(request: HttpRequest) -> HttpResponse:
    """List the policies this person may see by name; the next page goes on after the last one of this."""
    user: User = request.user  # type: ignore[assignment]
    if not user.has_perm("agents.view_policy") and not visible_policies(user).exists():
        raise Http404
    if request.GET.get("as") == "csv":
        return _sheet(_lines(_found(request, user), MOST_IN_A_SHEET))
    lines = _lines(_found(request, user), ON_A_PAGE + 1)
    last = lines[ON_A_PAGE - 1].policy if len(lines) > ON_A_PAGE else None
    may_publish = may_publish_rule(user.as_actor()) is None
    shown: dict[str, Any] = {
        "lines": lines[:ON_A_PAGE],
        "onward": f"{last.name}\n{last.pk}" if last else "",
        "kinds": KINDS,
        "kind": _kind(request),
        "typed": _typed(request),
        "may_add": user.has_perm("agents.add_policy"),
        "may_publish": may_publish,
        "may_see_contested": may_see_contested(request),
    }
    return page(request, "portal/policies.html", _("Policies"), **shown)


def _kind(request: HttpRequest) -> str:
    kind = request.GET.get("binds", "")
    return kind if kind in PolicyScope.values else ""


def _typed(request: HttpRequest) -> str:
    return request.GET.get("q", "")[:80].replace("\x00", "").strip()


def _found(request: HttpRequest, user: User) -> QuerySet[Policy]:
    found = visible_policies(user).order_by("name", "pk")
    if kind := _kind(request):
        found = found.filter(scope_kind=kind)
    if typed := _typed(request):
        found = found.filter(Q(name__icontains=typed) | Q(code__icontains=typed) | Q(purpose__icontains=typed))
    name, _sep, key = request.GET.get("after", "")[:200].replace("\x00", "").partition("\n")
    if name and len(key) == 36:
        found = found.filter(Q(name__gt=name) | Q(name=name, pk__gt=_key(key)))
    return found


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error


def _lines(found: QuerySet[Policy], most: int) -> list[PolicyLine]:
    newest = PolicyVersion.objects.filter(policy=OuterRef("pk")).order_by("-number").values("created_at")[:1]
    rows = list(found.annotate(changed_at=Subquery(newest))[:most])
    keys = [policy.pk for policy in rows]
    counted: dict[Any, dict[tuple[str, str], int]] = {}
    by_kind = Rule.objects.filter(policy__in=keys).order_by().values_list("policy", "mode", "verdict")
    for policy, mode, verdict, many in by_kind.annotate(many=Count("pk")):
        counted.setdefault(policy, {})[mode, verdict] = many
    names = scope_names((policy.scope_kind, policy.scope_id) for policy in rows)
    waiting = _waiting(keys)
    return [
        PolicyLine(
            policy=policy,
            binds=names[policy.scope_kind, policy.scope_id],
            counts=_counts(counted.get(policy.pk, {})),
            waiting=waiting.get(policy.pk, 0),
        )
        for policy in rows
    ]


def scope_names(scopes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return whom scopes mean, by name; one question for each kind, however many there are."""
    wanted: dict[str, set[str]] = {}
    for kind, key in set(scopes):
        wanted.setdefault(kind, set()).add(key)
    found = {(str(PolicyScope.COMPANY), ""): _("The whole company")}
    for kind, model in SCOPES.items():
        if kind in wanted:
            found |= _named(kind, model, wanted[kind])
    return found


def _named(kind: str, model: type[Model], keys: set[str]) -> dict[tuple[str, str], str]:
    known = {
        str(key): name for key, name in model._default_manager.filter(pk__in=keys).values_list("pk", "name")
    }
    word = {"department": _("Department"), "role": _("Role"), "agent": _("Agent")}[kind]
    gone = _("that no longer exists")
    return {(kind, key): f"{word} {known.get(key, gone)}" for key in keys}


def _waiting(keys: Sequence[Any]) -> dict[Any, int]:
    """Return how many changes of each policy wait for a second person."""
    rules = {
        str(key): policy for key, policy in Rule.objects.filter(policy__in=keys).values_list("pk", "policy")
    }
    mine = Q(target_kind="agents.policy", target_id__in=[str(key) for key in keys])
    mine |= Q(target_kind="agents.rule", target_id__in=list(rules))
    found: dict[Any, int] = {}
    pending = ChangeRequest.objects.filter(mine, state=ChangeRequest.State.PENDING)
    by_text = {str(key): key for key in keys}
    for target in pending.values_list("target_id", flat=True):
        policy = rules.get(target, by_text.get(target))
        found[policy] = found.get(policy, 0) + 1
    return found


def _counts(counted: dict[tuple[str, str], int]) -> list[Tag]:
    in_force = {verdict: counted.get((Mode.ENFORCED, verdict), 0) for verdict in Verdict}
    words = {
        Verdict.DENY: ngettext("%(n)s denies", "%(n)s deny", in_force[Verdict.DENY]),
        Verdict.HOLD: ngettext("%(n)s asks", "%(n)s ask", in_force[Verdict.HOLD]),
        Verdict.NONE: ngettext("%(n)s adds duties", "%(n)s add duties", in_force[Verdict.NONE]),
    }
    tags = [
        Tag(words[verdict] % {"n": many}, EFFECTS[verdict].icon, EFFECTS[verdict].tone)
        for verdict, many in in_force.items()
        if many
    ]
    tried = sum(many for (mode, _verdict), many in counted.items() if mode != Mode.ENFORCED)
    if tried:
        tags.append(
            Tag(ngettext("%(n)s only tried", "%(n)s only tried", tried) % {"n": tried}, "science", "info")
        )
    return tags


# What a rule does to a call, as word, icon and shape.
EFFECTS = {
    Verdict.DENY: Tag(lazy("Deny"), "block", "bad"),
    Verdict.HOLD: Tag(lazy("Ask"), "front_hand", "wait"),
    Verdict.NONE: Tag(lazy("Allow, with duties"), "check_circle", "good"),
}
MODES = {
    Mode.ENFORCED: Tag(lazy("Enforced"), "verified", "good"),
    Mode.SHADOW: Tag(lazy("Shadow: only recorded"), "visibility", "wait"),
    Mode.DRAFT: Tag(lazy("Draft: decides nothing"), "edit_note", "info"),
}


def _sheet(lines: list[PolicyLine]) -> HttpResponse:
    rows = (
        (
            line.policy.code,
            line.policy.name,
            line.binds,
            ", ".join(str(tag.text) for tag in line.counts),
            line.policy.version,
            line.policy.changed_at.isoformat() if line.policy.changed_at else "",
            line.waiting,
            reverse("policy", args=[line.policy.pk]),
        )
        for line in lines
    )
    columns = ("code", "name", "binds", "rules", "version", "changed_at", "waiting", "page")
    return as_sheet("policies", columns, rows)
