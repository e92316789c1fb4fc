"""Terms of employment, tightened at once and loosened by two people, and the certificates of agents."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents import selectors
from agents.admin.base import WorkforceAdmin, moment, trail, values_of
from agents.decision.speech import count_of
from agents.forms import TermsForm
from agents.models import TERM_FIELDS, Certificate, ChangeRequest, LifecycleTerms
from agents.selectors.offers import certified_agents
from agents.services import terms
from audit.adminkit import ReadOnlyAdmin, actor_of
from audit.forms.filtering import filter_by
from audit.wording import said

PROBATION = ("probation_days",)
ATTESTATION = ("attest_every_days", "attest_notice_days", "attest_grace_days")
RECORD = ("denials", "limits", "doubts", "reversals", "window_days", "breach_then")


@admin.register(LifecycleTerms)
class LifecycleTermsAdmin(WorkforceAdmin):
    """How long a probation is, how often an agent is confirmed, and which record puts it back by itself."""

    form = TermsForm
    list_display = ("shown_whose", "shown_probation", "shown_attestation", "shown_record")
    list_display_links = ("shown_whose",)
    empty_title = "No terms yet"
    empty_step = "Add those of the company: leave the role empty."
    list_select_related = ("role",)
    search_fields = ("role__name",)
    fieldsets = (
        (None, {"fields": ("role",)}),
        ("Probation", {"fields": PROBATION}),
        ("Confirmation by the sponsor", {"fields": ATTESTATION}),
        ("What puts an agent back by itself", {"fields": RECORD}),
        ("Trail", {"fields": ("shown_trail",)}),
    )
    add_fieldsets = fieldsets[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (*closed, "role", "shown_trail") if obj else closed

    def create(self, request: HttpRequest, form: Any) -> Any:
        values = values_of(form)
        return self._set(request, values.pop("role"), values, form)

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        stored = LifecycleTerms.objects.get(pk=obj.pk)
        values = {name: form.cleaned_data[name] for name in TERM_FIELDS if name in form.cleaned_data}
        return self._set(request, stored.role, values, form) or stored

    def _set(self, request: HttpRequest, role: Any, values: dict[str, Any], form: Any) -> Any:
        outcome = terms.set_terms(
            actor=actor_of(request), role=role, values=values, reason=form.cleaned_data["reason"]
        )
        if not isinstance(outcome, ChangeRequest):
            return outcome
        self.waits(request, outcome)
        return LifecycleTerms.objects.filter(role=role).first() or LifecycleTerms(role=role)

    @display(description="Of", ordering="role__name")
    def shown_whose(self, row: LifecycleTerms) -> str:
        return str(row.role) if row.role else "Everybody else in the company"

    @display(description="Probation", ordering="probation_days")
    def shown_probation(self, row: LifecycleTerms) -> str:
        return count_of(row.probation_days, "day")

    @display(description="Confirmed by the sponsor every", ordering="attest_every_days")
    def shown_attestation(self, row: LifecycleTerms) -> str:
        return count_of(row.attest_every_days, "day") if row.attest_every_days else "Not asked"

    @display(description="Put back by its record")
    def shown_record(self, row: LifecycleTerms) -> str:
        return row.get_breach_then_display() if selectors.terms_from(row).watches else "No, only by a person"

    @display(description="Trail")
    def shown_trail(self, row: LifecycleTerms) -> SafeString:
        return trail("agents.lifecycleterms", row)


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    """What was decided about agents, word for word. Nothing here is ever changed."""

    list_display = ("shown_issued", "kind", "agent", "shown_signer", "shown_proposer")
    list_display_links = ("shown_issued",)
    list_filter = ("kind", ("agent", filter_by(certified_agents, "certified")))
    list_select_related = ("agent",)
    empty_title = "No certificate yet"
    empty_step = "One is issued when an agent is activated, promoted, put back, confirmed or retired."
    search_fields = ("agent__name", "agent__code", "text")
    fields = (
        "agent",
        "kind",
        "issued_at",
        "signer_label",
        "proposer_label",
        "reason",
        "text",
        "digest",
        "evidence_digest",
        "contract_digest",
        "shown_page",
    )

    @display(description="Issued", ordering="issued_at")
    def shown_issued(self, row: Certificate) -> SafeString:
        return moment(row.issued_at)

    @display(description="Signed by", ordering="signer_label")
    def shown_signer(self, row: Certificate) -> str:
        return row.signer_label

    @display(description="Asked for by", ordering="proposer_label")
    def shown_proposer(self, row: Certificate) -> str:
        return row.proposer_label

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Whoever sees an agent sees what was decided about it."""
        return selectors.visible_certificates(request.user)  # type: ignore[arg-type]

    @display(description="To print")
    def shown_page(self, certificate: Certificate) -> SafeString:
        address = reverse("certificate-page", args=[certificate.pk])
        return format_html('<a class="portal-link" href="{}">{}</a>', address, said("Open it as a page"))
