"""A filter of an admin list by what its rows refer to: links while these are few, else a box that finds one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.contrib.admin import RelatedFieldListFilter
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from audit.forms.choosing import OfferedWidget
from audit.offers import Offer, Rows, clean, words_of


class OfferedFilter(RelatedFieldListFilter):
    """Django's filter by a relation, for what may be ten thousand. Made by ``filter_by``.

    Whoever reads the list is offered what they may see, by whichever right they read it.
    """

    rows: Callable[[Any], QuerySet[Any]]
    of: str

    def __init__(
        self,
        field: Field[Any, Any],
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        self.typed_kwarg = f"{field_path}__called"
        self.shelf = Rows(partial(self.rows, request.user))
        self.offer = Offer((self.shelf,))
        self.listed = self.offer.listed()
        super().__init__(field, request, params, model, model_admin, field_path)
        typed: Any = self.used_parameters.pop(self.typed_kwarg, None) or [""]
        self.typed = str(typed[-1])
        if self.listed is None:
            self.template = "audit/typed_filter.html"

    def expected_parameters(self) -> list[str | None]:
        """Return what of an address is this filter's."""
        return [*super().expected_parameters(), self.typed_kwarg]

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Return the few there are."""
        return [pair for _, pairs in self.listed or () for pair in pairs]

    def has_output(self) -> bool:
        """Show the box always, links when there is a choice."""
        return self.listed is None or super().has_output()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Narrow it to what is called so, else to all that has the words in name or code, however many."""
        found = super().queryset(request, queryset)
        if not self.typed or found is None:
            return found
        return found.filter(**{f"{self.field_path}__in": self._meant()})

    def _meant(self) -> QuerySet[Any] | list[str]:
        meant = self.offer.meant(self.typed)
        if len(meant) == 1:
            return [meant[0].choice.value]
        text = clean(self.typed)
        rows = self.shelf.exactly(text, text) if meant else self.shelf.fitting(words_of(text))
        return rows.order_by().values("pk")

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the links, or the box with what else the list is narrowed by."""
        if self.listed is not None:
            yield from super().choices(changelist)
            return
        own = self.expected_parameters()
        key, shown = f"filter-{self.field_path}", self.typed or str((self.lookup_val or [""])[-1])
        box = OfferedWidget(self.offer, lambda: reverse(f"choices-{self.of}"), themed=True, empty=None)
        asked = {name: values for name, values in changelist.filter_params.items() if name not in own}
        is_narrowed = bool(shown or self.lookup_val_isnull)
        yield {
            "id": key,
            "box": box.box(self.typed_kwarg, shown, {"id": key}),
            "kept": [(name, value) for name, values in asked.items() for value in values],
            "all": changelist.get_query_string(remove=own) if is_narrowed else "",
            "none": self._none(changelist),
        }

    def _none(self, changelist: Any) -> str:
        """Return the address of what refers to nothing, where that may be."""
        if not self.include_empty_choice or self.lookup_val_isnull:
            return ""
        others = [name for name in self.expected_parameters() if name != self.lookup_kwarg_isnull]
        return str(changelist.get_query_string({self.lookup_kwarg_isnull: True}, others))


def filter_by(rows: Callable[[Any], QuerySet[Any]], of: str) -> type[OfferedFilter]:
    """Return the filter by one of the rows a person may see, searched as ``of`` (``register_own_rows``)."""
    return type("OfferedFilter", (OfferedFilter,), {"rows": staticmethod(rows), "of": of})
