"""The role templates that come with the product, and a company's own roles written as templates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from agents import policies as questions
from agents import registry
from agents.decision.levels import groups_named
from agents.decision.patterns import pattern_matches
from agents.decision.policy_file import PolicyFileError
from agents.decision.role_template import (
    Approvers,
    RoleEntry,
    RoleTemplate,
    Suggestion,
    Target,
    write_role_template,
)
from agents.decision.role_template_file import read_role_template
from agents.models import Measure, Policy, PolicyScope, Role
from agents.services.policy_files import (
    OLD_RULE_FIELDS,
    limit_document,
    limit_fields,
    policy_document,
    rule_fields,
)
from agents.services.policy_import import refused_file
from audit.once import once
from audit.vocabulary import Actor, Refusal, RefusalKind

FOLDER = Path(__file__).parents[1] / "role_templates"
INVALID = "role_template_invalid"


@lru_cache
def shipped_texts() -> Mapping[str, str]:
    """Return the templates that come with the product, by the code of their role."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))]
    return {template_of(text).role.code: text for text in texts}


@lru_cache
def shipped_templates() -> tuple[RoleTemplate, ...]:
    """Return the same, read."""
    return tuple(template_of(text) for text in shipped_texts().values())


def shipped_text(code: str) -> str:
    """Return one of them; raises Refusal ``not_found``."""
    if code not in shipped_texts():
        raise Refusal(
            "not_found",
            f"There is no template {code[:60]!r}.",
            kind=RefusalKind.NOT_FOUND,
            next_step=f"Take one of {', '.join(shipped_texts())}, or send your own.",
        )
    return shipped_texts()[code]


def template_of(text: str) -> RoleTemplate:
    """Return what a template holds; raises Refusal ``role_template_invalid`` with everything that is wrong."""
    try:
        return once(
            ("role_template", text),
            lambda: read_role_template(text, (*rule_fields(), *OLD_RULE_FIELDS), limit_fields()),
        )
    except PolicyFileError as error:
        raise refused_file(error.problems, INVALID) from None


def export_role(*, actor: Actor, role: Role) -> str:
    """Return a role as a template: with the policies and limits that bind it, and what it may use.

    Brought back to the same company it changes nothing. Raises Refusal unless a person who may publish rules.
    """
    questions.require(questions.may_publish_rule(actor))
    policies = Policy.objects.filter(scope_kind=PolicyScope.ROLE, scope_id=str(role.pk)).order_by("code")
    limits = Measure.objects.filter(scope_kind=PolicyScope.ROLE, scope_id=str(role.pk)).order_by("code")
    documents = [_unbound(policy_document(policy)) for policy in policies]
    asked = [rule for document in documents for rule in document["rules"]]
    if written := [_unbound(limit_document(limit)) for limit in limits]:
        documents.append({"kind": "limits", "limits": written})
    groups = [name for rule in asked for name in groups_named(rule)]
    return write_role_template(role_entry(role, groups), documents)


def role_entry(role: Role, groups: list[str] | None = None) -> RoleEntry:
    """Return a role as it stands in a template; ``groups``: those that its rules ask."""
    origin = role.template
    why = {name: str(it.get("why", "")) for it in origin.get("approvers", []) for name in [it.get("group")]}
    mapped = {new: why[old] for old, new in origin.get("groups", {}).items() if old in why}
    named = dict.fromkeys(name for name in groups or () if name)
    return RoleEntry(
        code=role.code,
        name=role.name,
        version=int(origin.get("version", 1)),
        summary=str(origin.get("summary", "")),
        job_description=plain(role.job_description),
        responsibilities=tuple(line.strip() for line in role.responsibilities.splitlines() if line.strip()),
        labels=tuple(sorted(role.labels)),
        expected_performance=plain(role.expected_performance),
        performance=targets_of(role),
        approvers=tuple(Approvers(name, mapped.get(name, why.get(name, ""))) for name in named),
        grants=_suggestions(role),
    )


def targets_of(role: Role) -> tuple[Target, ...]:
    """Return the figures of good work of a role."""
    return tuple(Target(**it) for it in role.performance)


def plain(text: str) -> str:
    """Return a text as a template holds it: as a form sends it, lines end in two characters."""
    return text.replace("\r\n", "\n").strip()


def granted_to_role(role: Role) -> frozenset[str]:
    """Return the codes of the operations granted to a role."""
    holder = ("group", str(role.group_id))
    return frozenset(it.operation for it in registry.grants() if (it.holder_kind, it.holder_id) == holder)


def _suggestions(role: Role) -> tuple[Suggestion, ...]:
    """What its template suggests, and what was granted beside that."""
    told = [
        Suggestion(str(it["operations"]), tuple(it.get("effects", ())), str(it.get("why", "")))
        for it in role.template.get("grants", [])
    ]
    beside = [
        code for code in granted_to_role(role) if not any(pattern_matches(it.operations, code) for it in told)
    ]
    return (*told, *(Suggestion(code) for code in sorted(beside)))


def _unbound(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "binds"}
