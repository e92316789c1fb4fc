"""Base classes for every admin page: read-only records, governed objects, verbs that ask for a reason.

Three rules live here so that no page can forget them. A state changes only by POST, with a reason, through
a service. A person sees exactly the objects some permission of theirs names. A refusal leaves no trace of
success: nothing saved, nothing logged as done, and the words of the rule on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Protocol, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten, flatten_fieldsets, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from guardian.shortcuts import get_objects_for_user
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action as unfold_action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from audit.adminfields import PagesOfMany, ShownOnceMixin, work_out_once
from audit.services import record_once, refusals_recorded
from audit.vocabulary import Actor, Ref, Refusal
from audit.wording import lazy_words, said_lazy, translate_form

REASON_MIN_LENGTH = 5
REASON_MAX_LENGTH = 500
REASON_HELP = "Goes into the ledger under your name. At least five characters."
HISTORY_URL_SUFFIX = "_simple_history"

Data = Mapping[str, Any]
Verb = Callable[[Any, HttpRequest, Any, Data], "str | HttpResponse | None"]


class ActingUser(Protocol):
    """What this kit asks of the signed-in user."""

    def as_actor(self) -> Actor: ...


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in person as the actor of a service call."""
    user: Any = request.user
    return user.as_actor()


def reason_field(*, required: bool = True, label: str = "Reason") -> forms.CharField:
    """Return the one reason field used by every dialog and form."""
    return forms.CharField(
        label=label,
        required=required,
        min_length=REASON_MIN_LENGTH if required else None,
        max_length=REASON_MAX_LENGTH,
        help_text=REASON_HELP,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class ReasonForm(BaseDialogForm):
    """The dialog of a state-changing action: why, in the person's own words. Subclass it to ask for more."""

    reason = reason_field()


class ReasonModelForm(forms.ModelForm):
    """A change form that also asks why; the answer becomes the reason of the history row and the event."""

    reason = reason_field()


def reason_action(
    *,
    title: str,
    description: str,
    submit: str,
    permission: str,
    text: str = "",
    form_class: type[ReasonForm] = ReasonForm,
    available: Callable[[Any], bool] | None = None,
    icon: str | None = None,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[Verb], Any]:
    """Turn ``verb(self, request, obj, data)`` into a detail or row action behind a POST dialog with a reason.

    ``permission`` is ``app_label.codename`` and counts when held globally or on the object; ``available``
    says for which objects the button shows at all. ``data`` is the cleaned form, ``data["reason"]`` included.
    Return the sentence to show on success. A ``Refusal`` becomes a message; nothing else is swallowed.
    """
    if not issubclass(form_class, ReasonForm):
        raise TypeError(f"{form_class.__name__} must be a ReasonForm: every state change asks for a reason.")

    def decorate(verb: Verb) -> Any:
        @wraps(verb)
        def run(admin: Any, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
            obj = admin.get_object(request, unquote(object_id))
            if request.method != "POST":
                raise PermissionDenied
            answer = _answer(admin, request, obj, lambda: verb(admin, request, obj, form.cleaned_data))
            return answer or HttpResponse(headers={"HX-Redirect": _back_to(admin, object_id)})

        dialog = {
            "title": said_lazy(title),
            "description": said_lazy(text or description),
            "form_class": form_class,
            "form_submit_text": said_lazy(submit),
        }
        named = said_lazy(description)
        opened = unfold_action(description=named, icon=icon, variant=variant, dialog=dialog)(run)

        @wraps(opened)
        def guarded(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            obj = admin.get_object(request, unquote(object_id))
            if obj is None:
                raise Http404
            if not holds(request.user, permission, obj):
                raise PermissionDenied
            return opened(admin, request, object_id=object_id)

        guarded.permission = permission  # type: ignore[attr-defined]
        guarded.available = available  # type: ignore[attr-defined]
        return guarded

    return decorate


def _answer(
    admin: Any, request: HttpRequest, obj: Any, verb: Callable[[], str | HttpResponse | None]
) -> HttpResponse | None:
    try:
        with refusals_recorded(actor=actor_of(request), subject=_ref(admin, obj), **_refs(obj)):
            outcome = verb()
    except Refusal as refusal:
        messages.error(request, refusal.in_full())
        return None
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return None
    if isinstance(outcome, str):
        messages.success(request, outcome)
        return None
    return outcome


def _ref(admin: Any, obj: Any) -> Ref:
    """Return what a refused change was about: the object, or the list where it would have been added."""
    if obj is not None and hasattr(obj, "as_ref"):
        return cast("Ref", obj.as_ref())
    label = str(admin.opts.verbose_name)
    return Ref(admin.opts.label_lower, str(obj.pk) if obj else "", str(obj) if obj else f"A new {label}")


def _refs(obj: Any) -> dict[str, str]:
    return obj.event_refs() if hasattr(obj, "event_refs") else {}


def _back_to(admin: Any, object_id: str) -> str:
    info = admin.admin_site.name, admin.opts.app_label, admin.opts.model_name
    return reverse("{}:{}_{}_change".format(*info), args=(object_id,))


def holds(user: Any, permission: str, obj: models.Model | None = None) -> bool:
    """Say whether the user holds ``app_label.codename`` globally or on the object, when one is given."""
    return bool(user.has_perm(permission) or (obj is not None and user.has_perm(permission, obj)))


class ReasonActionsMixin:
    """Shows an action only to those who may use it on this object, and only when it would mean something."""

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        obj = self.get_object(request, unquote(str(object_id)))  # type: ignore[attr-defined]
        actions: list[UnfoldAction] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [action for action in actions if _offered(action.method, request, obj)]

    def get_actions_row(self, request: HttpRequest) -> list[UnfoldAction]:
        actions: list[UnfoldAction] = super().get_actions_row(request)  # type: ignore[misc]
        return [action for action in actions if _offered(action.method, request, None)]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Bulk deletion has no reason and no service behind it, so it is never offered."""
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        actions.pop("delete_selected", None)
        return actions


def _offered(method: Any, request: HttpRequest, obj: models.Model | None) -> bool:
    permission = getattr(method, "permission", None)
    if permission and not holds(request.user, permission, obj):
        return False
    available = getattr(method, "available", None)
    return obj is None or available is None or bool(available(obj))


class ObjectPermissionAdminMixin:
    """Object permissions count in the admin: list, page and change follow what the person holds on each object.

    There is no page to hand such permissions out: grants are given by services, with a reason.
    """

    opts: Any
    model: type[models.Model]

    def permission_name(self, verb: str) -> str:
        """Return ``app_label.verb_model`` of the model shown here."""
        return f"{self.opts.app_label}.{get_permission_codename(verb, self.opts)}"

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the objects this person holds view or change on; override it with the room's own selector."""
        return get_objects_for_user(
            request.user,
            [self.permission_name("view"), self.permission_name("change")],
            klass=self.model,
            any_perm=True,
            accept_global_perms=False,
        )

    def _sees_all(self, request: HttpRequest) -> bool:
        return any(request.user.has_perm(self.permission_name(verb)) for verb in ("view", "change"))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        everything = super().get_queryset(request)  # type: ignore[misc]
        if self._sees_all(request):
            return everything
        return everything.filter(pk__in=self.permitted_objects(request).values("pk"))

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        # The sign-in page builds the menu, too, and for a stranger there is nobody to look up rights of.
        if not request.user.is_authenticated:
            return False
        if any(holds(request.user, self.permission_name(verb), obj) for verb in ("view", "change")):
            return True
        if obj is not None:
            return self.permitted_objects(request).filter(pk=obj.pk).exists()
        # The menu, the app list and the page ask this of every list, each for itself: one question is enough.
        answers: dict[Any, bool] = request.__dict__.setdefault("_lists_with_permitted_objects", {})
        if self.model not in answers:
            answers[self.model] = self.permitted_objects(request).exists()
        return answers[self.model]

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return holds(request.user, self.permission_name("change"), obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return holds(request.user, self.permission_name("delete"), obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_module_permission(request)) or self.has_view_permission(request)  # type: ignore[misc]


class LabelledFieldsMixin:
    """Controls in a table have no label of their own, so each carries its field's name for screen readers."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and field.label:
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs.setdefault("aria-label", field.label)
        return field


class ParentPermissionInlineMixin:
    """Rows inside an object's page follow the person's rights on that object, not on the row's own model."""

    parent_model: type[models.Model]

    def _on_parent(self, request: HttpRequest, verb: str, obj: models.Model | None) -> bool:
        opts = self.parent_model._meta
        return holds(request.user, f"{opts.app_label}.{get_permission_codename(verb, opts)}", obj)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        # Django asks with obj=None while it builds the rows of a parent the person already opened; answering
        # False there silently empties the table.
        return obj is None or any(self._on_parent(request, verb, obj) for verb in ("view", "change"))

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._on_parent(request, "change", obj)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._on_parent(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._on_parent(request, "change", obj)


class GovernedTabularInline(LabelledFieldsMixin, ParentPermissionInlineMixin, TabularInline):
    """A table of rows that belong to a governed object."""

    extra = 0


class GovernedStackedInline(LabelledFieldsMixin, ParentPermissionInlineMixin, StackedInline):
    """Blocks of fields that belong to a governed object."""

    extra = 0


class ReadOnlyInlineMixin:
    """Rows that are shown and never edited, added or removed here."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyTabularInline(ReadOnlyInlineMixin, GovernedTabularInline):
    """A table of evidence inside an object's page."""


class ReadOnlyStackedInline(ReadOnlyInlineMixin, GovernedStackedInline):
    """Blocks of evidence inside an object's page."""


class ReadOnlyAdmin(ShownOnceMixin, ReasonActionsMixin, ObjectPermissionAdminMixin, ModelAdmin):
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
    ShownOnceMixin, ReasonActionsMixin, SimpleHistoryAdmin, ObjectPermissionAdminMixin, ModelAdmin
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
        own = _back_to(self, str(obj.pk))
        return HttpResponseRedirect(own if "_continue" in request.POST else self.address_after_adding(obj))

    def words_for_added(self, obj: models.Model) -> str:
        """Return what is said of an object that was just added."""
        return f"{str(self.opts.verbose_name).capitalize()} “{obj}” was added."

    def address_after_adding(self, obj: models.Model) -> str:
        """Return where a person goes on after adding: the object's own page."""
        return _back_to(self, str(obj.pk))

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
            record_once(refusal, actor=actor_of(request), subject=_ref(self, obj), **_refs(obj))
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
