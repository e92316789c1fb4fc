"""A role is taken from a template: by the services of every other change, looked at first, twice if need be.

Rules and limits are added at once, since adding only tightens; what of a role that exists already would become
looser waits for a second person, and so does every grant. A rule that fits no operation the company has yet is
kept as a draft, and said: taking the template again, once the system is connected, puts it into force.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction

from agents import policies as questions
from agents import registry
from agents.decision.authority import Authority
from agents.decision.facts import OperationFacts
from agents.decision.patterns import operations_hit
from agents.decision.policy_file import Entry, PolicyEntry, PolicyFile
from agents.decision.role_template import RoleTemplate, Suggestion, role_document, target_document
from agents.decision.said import NOTHING, Said, tighter
from agents.models import Agent, Measure, Policy, PolicyScope, Role, Rule
from agents.selectors.difference import authority_over
from agents.services import organisation, policies
from agents.services.policy_files import limit_fields, rule_fields
from agents.services.policy_import import Line, Outcome, compare_authority, import_read, resolved, rule_edits
from agents.services.role_catalogue import granted_to_role, plain, template_of
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind

LOOKING = "Looking at what a template would bring"
STRICTNESS = (Rule.Mode.DRAFT, Rule.Mode.SHADOW, Rule.Mode.ENFORCED)
MOST_GRANTS = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """How a template is to be taken.

    ``mode``: draft, shadow or enforced, of every rule and limit; empty: as the template says. ``groups``: which
    group of the company stands for one that the template names. ``grants``: propose what it suggests.
    ``update``: bring a role that exists already to what the template says.
    """

    mode: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    grants: bool = True
    update: bool = False


@dataclass(frozen=True, slots=True)
class Needed:
    """What a template suggests to grant: the operations of this company that fit, and those granted already."""

    suggestion: Suggestion
    fits: tuple[OperationFacts, ...]
    held: frozenset[str]


@dataclass(slots=True)
class Taken:
    """What taking a template does: line by line, and what of it waits or is missing in this company."""

    template: RoleTemplate
    existed: bool
    role: Role | None = None
    outcome: Outcome = field(default_factory=Outcome)
    rules: list[Rule] = field(default_factory=list)
    limits: list[Measure] = field(default_factory=list)
    waits_for_system: list[str] = field(default_factory=list)
    missing_groups: tuple[str, ...] = ()
    needed: list[Needed] = field(default_factory=list)

    @property
    def differs(self) -> list[Line]:
        """The lines of the role itself, its rules and its limits; grants are proposed, not what it is."""
        return [line for line in self.outcome.lines if not line.what.startswith("Grant ")]


def take_template(*, actor: Actor, text: str, reason: str, wish: Wish | None = None) -> Taken:
    """Make the role of a template, with its rules and limits, and propose its grants.

    Raises Refusal: ``role_template_invalid`` with every problem, ``groups_missing``, ``role_exists`` when there
    is such a role that differs and ``update`` was not asked for, ``code_taken``.
    """
    wish = wish or Wish()
    with transaction.atomic():
        taken = _Taking(actor, reason, wish).run(text)
        if taken.missing_groups:
            raise _groups_missing(taken.missing_groups)
        if taken.existed and taken.differs and not wish.update:
            raise _exists(taken)
        _record(actor, taken, text, reason, wish)
        return taken


def preview_template(*, actor: Actor, text: str, wish: Wish | None = None) -> Taken:
    """Return what ``take_template`` would do, by doing it and taking all of it back; raises the same.

    A group that is missing, and a role that exists, are said and refuse nothing.
    """
    with transaction.atomic():
        taken = _Taking(actor, LOOKING, wish or Wish()).run(text)
        transaction.set_rollback(True)
    return taken


class _Taking:
    def __init__(self, actor: Actor, reason: str, wish: Wish) -> None:
        self.actor, self.reason, self.wish = actor, reason, wish

    def run(self, text: str) -> Taken:
        questions.require(questions.may(self.actor, "agents.add_role", "add a role"))
        questions.require(questions.may_publish_rule(self.actor))
        questions.require_reason(self.reason)
        if self.wish.mode not in ("", *STRICTNESS):
            raise Refusal(
                "mode_unknown",
                f"Nothing was changed: {self.wish.mode[:20]!r} is no mode.",
                kind=RefusalKind.INVALID,
                next_step=f"Choose one of {', '.join(STRICTNESS)}.",
            )
        self.template = template_of(text)
        stored = Role.objects.filter(code=self.template.role.code).first()
        before = _authority_of(stored)
        self.taken = Taken(self.template, existed=stored is not None)
        self.groups = self._groups(stored)
        self.role = self.taken.role = self._role(stored)
        self._limits()
        for entry in self.template.file.policies:
            self._policy(entry)
        self._grants()
        compare_authority(self.taken.outcome, before, _authority_of(self.role))
        self.taken.outcome.at_once = _briefly(self.taken.outcome.at_once)
        return self.taken

    # --- Whom the rules ask.

    def _groups(self, stored: Role | None) -> dict[str, str]:
        """Return for each group of the template the one of the company; of one that is missing: none."""
        known = set(Group.objects.filter(role__isnull=True).values_list("name", flat=True))
        chosen = {**(stored.template.get("groups", {}) if stored else {}), **self.wish.groups}
        found = {name: chosen.get(name) or name for name in self.template.groups}
        self.taken.missing_groups = tuple(
            name if group == name else group for name, group in found.items() if group not in known
        )
        return {name: group if group in known else "" for name, group in found.items()}

    def _asking(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a rule with the groups of the company; a next level whose group is missing is left out."""
        asked = policies.in_the_new_form(values)
        if asked.get("approver_group"):
            asked["approver_group"] = self.groups[asked["approver_group"]]
        if asked.get("levels"):
            levels = [
                {**row, "group": self.groups[row["group"]]} if row.get("group") else row
                for row in asked["levels"]
            ]
            asked["levels"] = [row for row in levels if row.get("group") != ""]
        return asked

    # --- The role itself.

    def _role(self, stored: Role | None) -> Role:
        entry = self.template.role
        told = role_document(entry)
        content: dict[str, Any] = {
            "job_description": entry.job_description,
            "responsibilities": "\n".join(entry.responsibilities),
            "expected_performance": entry.expected_performance,
            "performance": [target_document(it) for it in entry.performance],
            "labels": list(entry.labels),
            "template": {
                "code": entry.code,
                "version": entry.version,
                "summary": entry.summary,
                "approvers": told.get("approvers", []),
                "grants": told.get("grants", []),
                "groups": {name: group for name, group in self.groups.items() if group and group != name},
            },
        }
        if stored is None:
            self.taken.outcome.add(f"Role {entry.name}", "added", entry.summary)
            return organisation.create_role(
                actor=self.actor, code=entry.code, name=entry.name, reason=self.reason, **content
            )
        wanted = {"name": entry.name, **content}
        changed = {name: value for name, value in wanted.items() if _differs(stored, name, value)}
        if self.wish.groups and stored.template.get("groups", {}) != content["template"]["groups"]:
            changed["template"] = content["template"]
        if not changed:
            self.taken.outcome.same += 1
            return stored
        words = ", ".join(sorted(name.replace("_", " ") for name in changed))
        self.taken.outcome.add(f"Role {stored.name}", "changed", words)
        return organisation.update_role(actor=self.actor, role=stored, values=changed, reason=self.reason)

    @property
    def _bound(self) -> tuple[str, str]:
        return PolicyScope.ROLE.value, self.template.role.code

    # --- Its limits and rules.

    def _limits(self) -> None:
        entries = []
        for entry in self.template.file.limits or ():
            stored = Measure.objects.filter(code=entry.values["code"]).first()
            self._require_own("limit", str(entry.values["code"]), stored)
            entries.append(self._fitted_limit(replace(entry, binds=self._bound), stored))
        self._import(PolicyFile(limits=entries))
        codes = [entry.values["code"] for entry in entries]
        self.taken.limits = list(Measure.objects.filter(code__in=codes).order_by("name"))

    def _fitted_limit(self, entry: Entry, stored: Measure | None) -> Entry:
        def check(values: Mapping[str, Any]) -> None:
            given = resolved(Measure, limit_fields(), values)
            scope = {"scope_kind": PolicyScope.ROLE.value, "scope_id": str(self.role.pk)}
            policies.limit_as_edited(stored or Measure(), {**given, **scope})

        return self._fitted(entry, stored, f"Limit {entry.values.get('name', '')}", check)

    def _policy(self, entry: PolicyEntry) -> None:
        self._require_own("policy", entry.code, Policy.objects.filter(code=entry.code).first())
        empty = replace(entry, binds=self._bound, rules=())
        self._import(PolicyFile(policies=[empty]))
        policy = Policy.objects.get(code=entry.code)
        stored = {rule.name: rule for rule in policy.rules.select_related("policy", "approver_group")}
        rules = tuple(self._fitted_rule(policy, rule, stored.get(rule.values["name"])) for rule in entry.rules)
        self._import(PolicyFile(policies=[replace(empty, rules=rules)]))
        names = [rule.values["name"] for rule in rules]
        self.taken.rules += policy.rules.filter(name__in=names).select_related("policy", "approver_group")

    def _fitted_rule(self, policy: Policy, entry: Entry, stored: Rule | None) -> Entry:
        entry = replace(entry, values=self._asking(entry.values))

        def check(values: Mapping[str, Any]) -> None:
            if stored is None:
                policies.rule_as_created(policy, resolved(Rule, rule_fields(), values))
            else:
                policies.rule_as_edited(stored, rule_edits(stored, replace(entry, values=values)))

        return self._fitted(entry, stored, f"Rule {entry.values['name']}", check)

    def _fitted(self, entry: Entry, stored: Rule | Measure | None, what: str, check: Any) -> Entry:
        """Return an entry in the mode it is taken in: as wished, never looser than it is, only if it fits."""
        wanted = self.wish.mode or entry.values.get("mode") or Rule.Mode.DRAFT
        if stored is not None and self.wish.mode:
            wanted = max(wanted, stored.mode, key=STRICTNESS.index)
        values = {**entry.values, "mode": str(wanted)}
        if wanted == Rule.Mode.DRAFT:
            return replace(entry, values=values)
        try:
            check(values)
        except Refusal as refusal:
            if refusal.code != "rule_refused":
                return replace(entry, values=values)  # the import says it with its place
            why = "; ".join(dict.fromkeys(it["message"] for it in refusal.detail["findings"][:3]))
            self.taken.waits_for_system.append(f"{what}: {why}")
            values["mode"] = str(stored.mode if stored else Rule.Mode.DRAFT)
        except ValidationError:
            pass
        return replace(entry, values=values)

    def _require_own(self, what: str, code: str, stored: Policy | Measure | None) -> None:
        own = (PolicyScope.ROLE.value, str(self.role.pk))
        if stored is not None and (stored.scope_kind, stored.scope_id) != own:
            raise Refusal(
                "code_taken",
                f"Nothing was changed: there is a {what} {code} already, and it does not bind this role.",
                kind=RefusalKind.CONFLICT,
                next_step=f"Give the {what} another code in the template.",
            )

    def _import(self, file: PolicyFile) -> None:
        found = import_read(actor=self.actor, file=file, reason=self.reason)
        self.taken.outcome.lines += found.lines
        self.taken.outcome.same += found.same

    # --- What it would need.

    def _grants(self) -> None:
        held = granted_to_role(self.role)
        operations, asked = registry.all_operations(), set[str]()
        for suggestion in self.template.role.grants:
            fits = tuple(operations_hit(suggestion.operations, suggestion.effects, operations))
            self.taken.needed.append(Needed(suggestion, fits, held & {it.code for it in fits}))
            for operation in fits:
                if self.wish.grants and operation.code not in held | asked and len(asked) < MOST_GRANTS:
                    asked.add(operation.code)
                    self._propose(operation, suggestion)

    def _propose(self, operation: OperationFacts, suggestion: Suggestion) -> None:
        what = f"Grant {operation.name} ({operation.code})"
        waiting = registry.waiting_grant(operation.code, self.role)
        if waiting is not None:
            self.taken.outcome.add(what, "waits_already", suggestion.why, waiting)
            return
        try:
            with transaction.atomic():
                found = registry.propose_grant(self.actor, operation.code, self.role, self.reason)
        except Refusal as refusal:
            self.taken.outcome.add(what, "refused", refusal.in_full())
            return
        self.taken.outcome.add(what, "waits", suggestion.why, found)


def _authority_of(role: Role | None) -> Authority:
    """Return authority with the agents of a role alone: nothing of a template reaches any other."""
    if role is None:
        return authority_over()
    return authority_over(*Agent.objects.filter(role=role).exclude(lifecycle=Agent.Lifecycle.RETIRED))


def _briefly(said: tuple[Said, ...]) -> tuple[Said, ...]:
    """Say once that nobody is concerned, not of each rule: a role that is new is nobody's yet."""
    about = tuple(it for it in said if not it.text.startswith(NOTHING))
    return about or (tighter(f"{NOTHING}: no agent at work has this role"),) if said else ()


def _differs(stored: Role, name: str, value: Any) -> bool:
    found = getattr(stored, name)
    if name == "responsibilities":
        return [it.strip() for it in found.splitlines() if it.strip()] != value.splitlines()
    if name == "labels":
        return sorted(found) != sorted(value)
    if name == "template":
        held = granted_to_role(stored)
        return bool(found) and _origin(found, held) != _origin(value, held)
    return bool(plain(found) != value if isinstance(found, str) else found != value)


def _origin(template: Mapping[str, Any], held: frozenset[str]) -> Any:
    """Return what of a template counts as different: not what its export names because it was granted."""
    suggested = [it for it in template.get("grants", []) if it.get("operations") not in held]
    return template.get("code"), template.get("version"), template.get("summary"), suggested


def _record(actor: Actor, taken: Taken, text: str, reason: str, wish: Wish) -> None:
    if taken.role is None or not taken.outcome.lines:
        return
    entry, lines = taken.template.role, taken.outcome.lines
    waiting = len(taken.outcome.waiting)
    record_event(
        actor=actor,
        verb="agents.role_taken",
        subject=taken.role.as_ref(),
        sentence=f"{actor.label} took the role {entry.name} from a template (version {entry.version}): "
        f"{len(lines) - waiting} done at once, {waiting} waiting for a second person.",
        reason=reason,
        payload={
            "template": entry.code,
            "version": entry.version,
            "digest": hashlib.sha256(text.encode()).hexdigest(),
            "mode": wish.mode,
            "groups": dict(wish.groups),
            "lines": [[line.what, line.state] for line in lines],
            "waits_for_system": taken.waits_for_system,
        },
    )


def _groups_missing(names: tuple[str, ...]) -> Refusal:
    return Refusal(
        "groups_missing",
        f"Nothing was changed: this company has no group of people {', '.join(names)}.",
        detail={"groups": list(names)},
        kind=RefusalKind.INVALID,
        next_step="Say for each which group of yours stands for it, or add the group first.",
    )


def _exists(taken: Taken) -> Refusal:
    lines = [{"what": it.what, "state": it.state, "words": it.words} for it in taken.differs]
    count = "one thing" if len(lines) == 1 else f"{len(lines)} things"
    return Refusal(
        "role_exists",
        f"Nothing was changed: there is a role {taken.template.role.code} already, "
        f"and {count} of it would become as the template says.",
        detail={"differs": lines},
        kind=RefusalKind.CONFLICT,
        next_step="Look at the difference, and ask for it with update.",
    )
