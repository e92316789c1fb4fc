"""The pages of objects: evidence that is only read, and configuration that services save."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten, flatten_fieldsets, unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin

from audit.admincsv import CsvListMixin
from audit.adminfields import PagesOfMany, ShownOnceMixin, work_out_once
from audit.adminkit.rights import ObjectPermissionAdminMixin
from audit.adminkit.verbs import ReasonActionsMixin, actor_of, address_of, ref_of, refs_of
from audit.services import record_once
from audit.vocabulary import Refusal
from audit.wording import lazy_words, translate_form

HISTORY_URL_SUFFIX = "_simple_history"


class ReadOnlyAdmin(CsvListMixin, ShownOnceMixin, ReasonActionsMixin, ObjectPermissionAdminMixin, ModelAdmin):
    """Evidence: may be read and searched, never added, changed or deleted by hand."""

    show_facets = ShowFacets.NEVER
    show_full_result_count = False
    paginator = PagesOfMany

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the page without a way to its history: what never changes has none."""
        return super().changeform_view(
            request, object_id, form_url, {"show_history": False, **(extra_context or {})}
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class GovernedAdmin(
    CsvListMixin, ShownOnceMixin, ReasonActionsMixin, SimpleHistoryAdmin, ObjectPermissionAdminMixin, ModelAdmin
):
    """A configured object: object permissions, a full history, and no change without a name under it.

    History pages are read-only.
    """

    list_filter_sheet = False
    warn_unsaved_form = True

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show one earlier version; history pages are read-only."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)

    def render_history_view(
        self, request: HttpRequest, template: str, context: dict[str, Any], **kwargs: Any
    ) -> HttpResponse:
        """Lay out an earlier version, each of its fields worked out once."""
        if "adminform" in context:
            work_out_once(self, context["adminform"].readonly_fields)
        found: HttpResponse = super().render_history_view(request, template, context, **kwargs)
        return found

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        """Leave what only the form asks (a reason, a new secret) out of an earlier version, and for readers."""
        fieldsets = super().get_fieldsets(request, obj)
        reading = obj is not None and not self.has_change_permission(request, obj)
        if not reading and not _shows_a_version(request):
            return fieldsets
        shown = [
            (name, options, [field for field in flatten(options["fields"]) if self._is_shown(field)])
            for name, options in fieldsets
        ]
        return [(name, {**options, "fields": fields}) for name, options, fields in shown if fields]

    def _is_shown(self, field: str) -> bool:
        return hasattr(self, field) or hasattr(self.model, field)

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        if _shows_a_version(request):
            return flatten_fieldsets(self.get_fieldsets(request, obj))
        return super().get_readonly_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if reason := form.cleaned_data.get("reason"):
            obj._change_reason = reason
        super().save_model(request, obj, form, change)


def _shows_a_version(request: HttpRequest) -> bool:
    match = request.resolver_match
    return bool(match and (match.url_name or "").endswith(HISTORY_URL_SUFFIX))


class ServiceAdmin(GovernedAdmin):
    """A governed object whose form is saved by services: override ``create`` and ``update``.

    A ``Refusal`` leaves the transaction before anything is kept; the form comes back as it was typed with the
    rule's words on top. It never says that something was saved.

    ``next_step`` is said after adding; ``empty_title`` and ``empty_step`` stand on the list while it is empty,
    with the guide at the route ``empty_guide`` if there is one.
    ``adds_many``: several are entered one after the other, so that the form offers to add another.
    ``add_words``: what the button of the form to add with does, where "Save" would not say it.
    """

    next_step = ""
    add_words = ""
    adds_many = False

    def create(self, request: HttpRequest, form: Any) -> models.Model:
        """Call the service that makes the object and return it."""
        raise NotImplementedError(f"{type(self).__name__} offers no service to add with.")

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        """Call the service that changes the object and return it."""
        raise NotImplementedError(f"{type(self).__name__} offers no service to change with.")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        saved = self.update(request, obj, form) if change else self.create(request, form)
        # The admin goes on with its own instance (log, redirect): it becomes what the service returned.
        obj.__dict__.update(saved.__dict__)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Tell of the form only: what else stands on the page, services save, and its formsets know nothing."""
        return super().construct_change_message(request, form, [], add)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer one way to add: what was added is opened, with what comes next."""
        if not self.adds_many:
            context["show_save_and_add_another"] = False
        if kwargs.get("add"):
            context["show_save_and_continue"] = False
            context["save_words"] = self.add_words
        if shown := context.get("adminform"):
            translate_form(shown.form)
            shown.fieldsets = [(lazy_words(name), options) for name, options in shown.fieldsets]
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(
        self, request: HttpRequest, obj: models.Model, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Open what was added, and say what comes next: a list would leave that to be guessed."""
        if "_addanother" in request.POST or IS_POPUP_VAR in request.POST:
            return super().response_add(request, obj, post_url_continue)
        said = f"{self.words_for_added(obj)} {self.next_step}"
        messages.success(request, said.rstrip())
        own = address_of(self, str(obj.pk))
        return HttpResponseRedirect(own if "_continue" in request.POST else self.address_after_adding(obj))

    def words_for_added(self, obj: models.Model) -> str:
        """Return what is said of an object that was just added."""
        return f"{str(self.opts.verbose_name).capitalize()} “{obj}” was added."

    def address_after_adding(self, obj: models.Model) -> str:
        """Return where a person goes on after adding: the object's own page."""
        return address_of(self, str(obj.pk))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refusal as refusal:
            obj = self.get_object(request, unquote(object_id)) if object_id else None
            record_once(refusal, actor=actor_of(request), subject=ref_of(self, obj), **refs_of(obj))
            # Outside the transaction, which has undone everything: show the same form, now invalid.
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form_class = super().get_form(request, obj, change=change, **kwargs)
        refusal: Refusal | None = getattr(request, "refusal", None)
        return form_class if refusal is None else _refused(form_class, refusal)


def _refused(form_class: type[forms.ModelForm], refusal: Refusal) -> type[forms.ModelForm]:
    class RefusedForm(form_class):  # type: ignore[valid-type, misc]
        """The form as typed, with the refusal on top."""

        def clean(self) -> Any:
            cleaned = super().clean()
            self.add_error(None, refusal.in_full())
            return cleaned

    return RefusedForm
