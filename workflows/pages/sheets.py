"""A table of a page as a file for a spreadsheet, with what the reader may see and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse

from audit.services.downloading import safe_cell, written


def as_sheet(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """Answer a table as CSV; no cell of it is a formula, whoever wrote it."""
    cells = [[safe_cell("" if cell is None else str(cell)) for cell in row] for row in rows]
    # A spreadsheet takes a file for UTF-8 that begins with its mark.
    answer = HttpResponse("\ufeff" + written([columns, *cells]), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer
