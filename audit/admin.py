"""The ledger as people read it: search, filter, open, and never change."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminSelectWidget

from audit import registry, retention, selectors
from audit.adminkit import ReadOnlyAdmin, ReasonForm, actor_of, reason_action
from audit.models import Event, Payload
from audit.pages import EvidencePage, ExportPage, SealsPage
from audit.vocabulary import ActorKind, Ref, Refusal

REFERENCES = {
    "action_id": "Everything about this action",
    "agent_id": "Everything about this agent",
    "run_id": "Everything about this run",
    "system_id": "Everything about this system",
    "department_id": "Everything about this department",
    "correlation_id": "Everything that the same request caused",
}
SHOWN_REASON = 120  # characters; all of it stands on the page of the event
IDENTIFIERS = ("actor_id", "subject_id", *REFERENCES)
# An id, or a part of one long enough to be meant as one: answered by indexes alone.
LOOKS_LIKE_AN_ID = re.compile(r"^(?=.*\d)[0-9A-Za-z_-]{16,64}$")
UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")


class NewestFirst(InfinitePaginator):
    """Next and previous without ever counting the ledger; what is older than this is reached by the filters."""

    count = 100_000


class VerbFilter(DropdownFilter):
    """The verbs that rooms have described, without asking the database which occur."""

    title = "what happened"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        described = registry.registered_verbs().items()
        found = [(verb, meaning.partition(":")[0].rstrip(".")) for verb, meaning in described]
        return sorted(found, key=lambda it: it[1].lower())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


class EraseForm(ReasonForm):
    """How much is to be erased, and why."""

    what = forms.ChoiceField(
        label="What",
        choices=[
            ("event", "This event"),
            ("subject", "Everything about what it was done to"),
            ("actor", "Everything about who did it"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("what", "reason")


@admin.register(Event)
class EventAdmin(SealsPage, EvidencePage, ExportPage, ReadOnlyAdmin):
    """Every fact the reader may see, newest first."""

    list_display = (
        *(
            "shown_position",
            "occurred_at",
            "shown_told",
            "shown_reason",
            "shown_actor",
            "shown_decision",
            "verb",
        ),
    )
    empty_title = "No entry that you may see"
    empty_step = "The ledger fills by itself with everything that people, agents and the portal do."
    list_display_links = ("shown_told",)
    list_filter = (
        ("occurred_at", RangeDateTimeFilter),
        VerbFilter,
        "decision",
        "actor_kind",
    )
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("sentence",)
    search_help_text = "A name, a word or an id"
    sortable_by = ()
    show_full_result_count = False
    paginator = NewestFirst
    actions_detail = ["erase"]
    fieldsets = (
        (None, {"fields": ("shown_told", "reason", "shown_decision", "code")}),
        ("When and where", {"fields": ("shown_position", "occurred_at", "meaning", "verb")}),
        ("Who", {"fields": ("actor_label", "actor_kind", "actor_id")}),
        ("What", {"fields": ("subject_label", "subject_kind", "subject_id", "related")}),
        ("Evidence", {"fields": ("evidence",)}),
    )

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The permission opens the ledger; which rows are in it is decided by visibility."""
        return request.user.has_perm("audit.view_event")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return selectors.visible_events(request.user).order_by("-id")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if request.user.has_perm("audit.view_payload"):
            return fieldsets
        return tuple(fieldset for fieldset in fieldsets if fieldset[0] != "Evidence")

    @reason_action(
        title="Erase what is personal",
        description="Erase what is personal",
        text="Names, sentences, reasons and payloads go for good once a second person agrees. That it "
        "happened, when and by whose id, and every proof of it stay. What open work needs or is held stays.",
        submit="Ask for it",
        permission="audit.erase_event",
        form_class=EraseForm,
        icon="ink_eraser",
        variant=ActionVariant.DANGER,
    )
    def erase(self, request: HttpRequest, obj: Event, data: Mapping[str, Any]) -> str:
        """Ask a second person to erase this event, or everything about its object or whoever did it."""
        subjects = {
            "event": Ref("audit.event", str(obj.pk)),
            "subject": Ref(obj.subject_kind, obj.subject_id),
            "actor": Ref("agents.user", obj.actor_id),
        }
        if data["what"] == "actor" and obj.actor_kind == ActorKind.SYSTEM:
            raise Refusal(
                "no_person",
                "Nothing was asked for: the portal itself did this, and nothing about it is personal.",
                next_step="Ask for this event, or for what it was done to.",
            )
        return retention.propose_erasure(actor_of(request), subjects[data["what"]], data["reason"])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Ids are answered by their indexes; words are looked for in names, sentences and codes."""
        term = search_term.replace("\x00", "").strip()
        return (queryset.filter(_matching(term)) if term else queryset), False

    @display(description="No.")
    def shown_position(self, event: Any) -> str:
        return f"{event.position:,}" if event.position else "being numbered"

    @display(description="What happened")
    def shown_told(self, event: Event) -> str:
        return event.told

    @display(description="Why")
    def shown_reason(self, event: Event) -> str:
        return Truncator(event.reason).chars(SHOWN_REASON)

    @display(description="Who", ordering=None)
    def shown_actor(self, event: Event) -> str:
        return event.actor_label or event.actor_id

    @display(description="Decision", label={"Allowed": "success", "Held": "warning", "Denied": "danger"})
    def shown_decision(self, event: Event) -> str | None:
        return event.get_decision_display() or None

    @display(description="Meaning of the verb")
    def meaning(self, event: Event) -> str:
        return registry.registered_verbs().get(event.verb, "-")

    @display(description="More about")
    def related(self, event: Event) -> SafeString:
        """Link each reference to everything the ledger holds about it."""
        url = reverse(f"{self.admin_site.name}:audit_event_changelist")
        links = [
            format_html('<a class="underline" href="{}?q={}" title="{}">{}</a>', url, key, key, words)
            for name, words in REFERENCES.items()
            if (key := getattr(event, name))
        ]
        return SafeString("<br>".join(links)) if links else SafeString("-")

    @display(description="Payload")
    def evidence(self, event: Event) -> SafeString:
        """Show the payload as text: agents wrote parts of it, so nothing in it is markup."""
        payload: Payload | None = getattr(event, "payload", None)
        if payload is None:
            return format_html("{}", event.erased_words("data") or "-")
        text = json.dumps(payload.data, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre hx-disable class="whitespace-pre-wrap">{}</pre>', text)


def _matching(term: str) -> Q:
    if UUID.match(term):
        return Q(pk=term) | _any_identifier(term.lower())
    if LOOKS_LIKE_AN_ID.match(term):
        return _any_identifier(term)
    if registry.VERB.match(term):
        return Q(verb=term)
    if re.fullmatch(r"[a-z_]+\.", term):
        return Q(verb__startswith=term)
    words = Q(code=term) | Q(correlation_id=term) | Q(subject_id=term) | Q(actor_id=term)
    for field in ("sentence", "actor_label", "subject_label", "reason"):
        words |= Q(**{f"{field}__icontains": term})
    return words


def _any_identifier(key: str) -> Q:
    found = Q()
    for field in IDENTIFIERS:
        found |= Q(**{field: key})
    return found
