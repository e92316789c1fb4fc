"""Policies as a file: taken out for a repository, brought back after a look at what that would change."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.api.policy_files import MOST_CHARACTERS, as_file
from agents.models import User
from agents.policies import REASON_MAX_LENGTH, REASON_MIN_LENGTH, may_publish_rule
from agents.selectors import visible_policies
from agents.services.policy_files import export_policies
from agents.services.policy_import import Outcome, import_policies, preview_import
from audit.services import refusals_recorded
from audit.vocabulary import Ref, Refusal
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.pasted import PastedForm

STATES = {
    "added": "Is added at once",
    "changed": "Changes at once",
    "removed": "Goes at once",
    "waits": "Waits for a second person",
    "waits_already": "Waits already for a second person",
}


class PolicyFileForm(PastedForm):
    """The file, as text or as a file, and why."""

    too_large = "The file is too large. Import it in several parts."
    nothing = "Paste the file, or choose one."

    text = forms.CharField(
        label="The file (YAML)",
        required=False,
        strip=False,
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false"}),
        help_text="As it was exported and changed since. Or choose it below.",
    )
    file = forms.FileField(label="Or choose a file", required=False)
    remove_missing = forms.BooleanField(
        label="Also remove what is not in the file",
        required=False,
        help_text="Rules of these policies, and limits if the file lists limits. Nothing else is touched.",
    )
    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=REASON_MAX_LENGTH,
        help_text="For the record; needed to import, not to look.",
    )


@never_cache
@require_safe
@for_people
def export(request: HttpRequest) -> HttpResponse:
    """Give all policies and limits as a file, or with ``?policy=`` one policy."""
    actor = _user(request).as_actor()
    if may_publish_rule(actor) is not None and "policy" not in request.GET:
        raise PermissionDenied
    if "policy" not in request.GET:
        return as_file(export_policies(actor=actor), "policies")
    code = request.GET["policy"][:60].replace("\x00", "")
    policy = get_object_or_404(visible_policies(_user(request)), code=code)
    if may_publish_rule(actor, policy) is not None:
        raise PermissionDenied
    return as_file(export_policies(actor=actor, chosen=[policy]), policy.code)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def import_file(request: HttpRequest) -> HttpResponse:
    """Look at what a file would change; then, with a reason, import exactly what was looked at."""
    if may_publish_rule(_user(request).as_actor()) is not None:
        raise PermissionDenied
    if request.method != "POST":
        return _ask(request, PolicyFileForm())
    form = PolicyFileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _ask(request, form, 422, refused="Correct what is marked below.")
    given = form.cleaned_data
    # What was chosen as a file is shown as text, so that what is imported is what was looked at.
    shown = PolicyFileForm(initial={name: given[name] for name in ("text", "remove_missing", "reason")})
    if "import" in request.POST and len(given["reason"].strip()) < REASON_MIN_LENGTH:
        shown = PolicyFileForm(given)
        shown.add_error("reason", f"Say why, in at least {REASON_MIN_LENGTH} characters.")
        return _ask(request, shown, 422, refused="Correct what is marked below.")
    try:
        outcome = _done(request, given)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        wrong = refusal.detail.get("errors", ())
        return _ask(request, shown, status, refused=refusal.in_full(), wrong=wrong)
    if "import" not in request.POST:
        return _ask(request, shown, outcome=outcome, lines=_lines(outcome))
    return _told(request, outcome)


def _done(request: HttpRequest, given: dict[str, Any]) -> Outcome:
    actor = _user(request).as_actor()
    file: dict[str, Any] = {"text": given["text"], "remove_missing": given["remove_missing"]}
    if "import" not in request.POST:
        return preview_import(actor=actor, **file)
    with refusals_recorded(actor=actor, subject=Ref("agents.policy", "", "A file of policies")):
        return import_policies(actor=actor, reason=given["reason"], **file)


def _told(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    waiting = len(outcome.waiting)
    done = len(outcome.lines) - waiting
    messages.success(request, f"Imported: {done} changed at once, {outcome.same} were so already.")
    if waiting:
        messages.warning(request, f"Waiting for a second person, because it gives more authority: {waiting}.")
    return redirect("admin:agents_policy_changelist")


def _lines(outcome: Outcome) -> list[dict[str, Any]]:
    return [{"line": line, "state": STATES[line.state]} for line in outcome.lines]


def _ask(request: HttpRequest, form: PolicyFileForm, status: int = 200, **said: Any) -> HttpResponse:
    return page(request, "portal/policy_import.html", "Import policies", status, form=form, **said)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
