"""The ledger as people read it: search, filter, open, and never change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from audit import asking, reading, registry, retention, selectors
from audit.adminkit import ReadOnlyAdmin, ReasonForm, actor_of, reason_action
from audit.forms import LedgerForm
from audit.models import Event, Payload
from audit.pages import EvidencePage, ExportPage, SealsPage, lines, seal
from audit.pages.exports import export_address, export_of
from audit.services import downloading
from audit.vocabulary import ActorKind, Ref, Refusal
from audit.wording import said

REFERENCES = {
    "action_id": ("action", "Everything about this action"),
    "agent_id": ("agent", "Everything about this agent"),
    "run_id": ("run", "Everything about this run"),
    "system_id": ("system", "Everything about this system"),
    "department_id": ("department", "Everything about this department"),
    "operation": ("operation", "Everything about this operation"),
    "delegated_id": ("behalf", "Everything on behalf of this person"),
    "correlation_id": ("correlation", "Everything that the same request caused"),
}


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

    has_csv = False  # its own downloads go by its own questions, and have proofs
    actions_detail = ["erase"]
    fieldsets = (
        (None, {"fields": ("shown_sentence", "shown_reason", "shown_decision", "shown_code")}),
        ("When", {"fields": ("shown_position", "shown_time", "meaning")}),
        ("Who", {"fields": ("shown_who", "shown_who_id", "delegated")}),
        ("What", {"fields": ("shown_subject", "shown_kind", "shown_subject_id", "shown_operation", "related")}),
        ("What came of it", {"fields": ("shown_effect", "shown_agreement", "shown_remedy", "shown_risk")}),
        ("How it is sealed", {"fields": ("sealed", "fingerprint", "proves")}),
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

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show a page of what is asked; a page never counts, skips or sorts the ledger."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = LedgerForm(request.GET, user=request.user)
        context = {**self.admin_site.each_context(request), "title": "Ledger", "form": form}
        if not form.is_valid():
            return TemplateResponse(request, "audit/ledger.html", {**context, "page": None}, status=422)
        question = form.question()
        page = reading.page(request.user, question, form.place(), period=form.period())
        context |= {
            "page": page,
            "lines": [lines.line_of(event) for event in page.events],
            "narrowed": form.narrowed(),
            "addresses": _addresses(form, page),
            "is_first": form.place() == reading.Place(),
            "downloads": {
                name: f"{reverse(f'ledger-download-{name}')}{form.address()}" for name in downloading.FORMATS
            },
            "most_lines": f"{downloading.MOST_LINES:,}",
            "looked_through": f"{question.most:,}",
            "export": export_of(request.user, form.cleaned_data),
        }
        return TemplateResponse(request, "audit/ledger.html", context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return an event with its place and what it is sealed as."""
        event = super().get_object(request, object_id, from_field)
        if event is not None:
            reading.with_leaves([event])
            if event.delegated_id:
                event.behalf = dict(registry.names_for("person", request.user)).get(event.delegated_id, "")
            event.export_address = export_address(request.user, "action", event.action_id) or export_address(
                request.user, "run", event.run_id
            )
        return event

    @display(description="What happened")
    def shown_sentence(self, event: Event) -> str:
        return lines.sentence_of(event)

    @display(description="No.")
    def shown_position(self, event: Event) -> str:
        return lines.number_of(event)

    @display(description="Decision", label={"Allowed": "success", "Held": "warning", "Denied": "danger"})
    def shown_decision(self, event: Event) -> str | None:
        return event.get_decision_display() or None

    @display(description="Reason given")
    def shown_reason(self, event: Event) -> str:
        return event.reason or "-"

    @display(description="Why, as a code")
    def shown_code(self, event: Event) -> str:
        return event.code or "-"

    @display(description="Time")
    def shown_time(self, event: Event) -> str:
        return f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC"

    @display(description="Kind of entry")
    def meaning(self, event: Event) -> str:
        return f"{registry.registered_verbs().get(event.verb, '-')} ({event.verb})"

    @display(description="Name")
    def shown_who(self, event: Event) -> str:
        return f"{event.actor_label or '-'} ({event.get_actor_kind_display()})"

    @display(description="Id of who did it")
    def shown_who_id(self, event: Event) -> str:
        return event.actor_id

    @display(description="On whose behalf")
    def delegated(self, event: Event) -> str:
        name = getattr(event, "behalf", "")
        return f"{name} ({event.delegated_id})" if name else event.delegated_id or "-"

    @display(description="Name")
    def shown_subject(self, event: Event) -> str:
        return event.subject_label or "-"

    @display(description="Id of what it was done to")
    def shown_subject_id(self, event: Event) -> str:
        return event.subject_id or "-"

    @display(description="Operation")
    def shown_operation(self, event: Event) -> str:
        return event.operation or "-"

    @display(description="Kind of object")
    def shown_kind(self, event: Event) -> str:
        return f"{asking.kind_words(event.subject_kind)} ({event.subject_kind})"

    @display(description="What was seen to come of it")
    def shown_effect(self, event: Event) -> str:
        return event.get_effect_display() or "-"

    @display(description="Is that what was decided?")
    def shown_agreement(self, event: Event) -> str:
        return event.get_agreement_display() or "-"

    @display(description="What was done about it")
    def shown_remedy(self, event: Event) -> str:
        return lines.humanized(event.remedy) or "-"

    @display(description="What was known of the risk")
    def shown_risk(self, event: Event) -> SafeString:
        known = [
            (lines.humanized(name), lines.humanized(said) if isinstance(said, str) else said)
            for name, said in sorted((event.risk or {}).items())
        ]
        return format_html_join(SafeString("<br>"), "{}: {}", known) if known else SafeString("-")

    @display(description="Seal")
    def sealed(self, event: Event) -> str:
        return seal.sentence(event)

    @display(description="Its fingerprint (leaf hash)")
    def fingerprint(self, event: Event) -> SafeString:
        found = getattr(event, "leaf_hash", None)
        return format_html("<code>{}</code><br>{}", found, said(seal.FINGERPRINT)) if found else SafeString("-")

    @display(description="What this proves")
    def proves(self, event: Event) -> SafeString:
        address = seal.proof_address(event)
        if not address:
            return format_html("{}", said(seal.proves(event)))
        file = format_html('<a class="underline" href="{}">{}</a>', address, said("The proof, as a file"))
        if taken := getattr(event, "export_address", ""):
            words = "Take all about it along, with proofs and the way to check them"
            file = format_html(
                '{}</p><p class="py-1"><a class="underline" href="{}">{}</a>', file, taken, said(words)
            )
        return format_html('{}<p class="py-1">{}</p>', said(seal.proves(event)), file)

    @display(description="More about")
    def related(self, event: Event) -> SafeString:
        """Link each reference to everything the ledger holds about it, and an action or a run to its story."""
        url = reverse(f"{self.admin_site.name}:audit_event_changelist")
        found: list[tuple[str, str, object]] = [
            (reverse(name, args=[key]), words, key)
            for name, words, key in (
                ("story-action", "The story of this action", lines.as_uuid(event.action_id)),
                ("story-run", "The story of this run", lines.as_uuid(event.run_id)),
            )
            if key
        ]
        found += [
            (f"{url}?{urlencode({asked: key})}", words, key)
            for name, (asked, words) in REFERENCES.items()
            if (key := getattr(event, name))
        ]
        if event.subject_id and event.subject_id not in (event.action_id, event.run_id, event.agent_id):
            about = urlencode({"kind": event.subject_kind, "object": event.subject_id})
            found.append((f"{url}?{about}", "Everything about this object", event.subject_id))
        return format_html_join(
            "",
            '<p class="py-1"><a class="underline" href="{}" title="{}">{}</a></p>',
            ((address, key, said(words)) for address, words, key in found),
        ) or SafeString("-")

    @display(description="Payload")
    def evidence(self, event: Event) -> SafeString:
        """Show the payload as text: agents wrote parts of it, so nothing in it is markup."""
        payload: Payload | None = getattr(event, "payload", None)
        if payload is None:
            return format_html("{}", event.erased_words("data") or "-")
        text = json.dumps(payload.data, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre hx-disable class="whitespace-pre-wrap">{}</pre>', text)


def _addresses(form: LedgerForm, page: reading.Page) -> dict[str, str]:
    """Return the pages one can go on to with the same question."""
    found = {"first": form.address(), "oldest": form.address(after=reading.OLDEST)}
    if page.older:
        found["older"] = form.address(before=page.older)
    if page.newer:
        found["newer"] = form.address(after=page.newer)
    return found
