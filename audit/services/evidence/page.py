"""The pack as one HTML file: no script, nothing from elsewhere, for the screen and for paper."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from audit.evidence import Kind
from audit.services.evidence.cells import for_people
from audit.services.evidence.contents import CLAIM, FOLDER, Contents, Filled

RIGHT = (Kind.NUMBER, Kind.SECONDS)
LONG_WORD, LONG_TEXT = 24, 60  # characters
NO_TEXT = "The text of the requirement was not at hand when this row was written."


def html_of(contents: Contents, judged: dict[str, Any]) -> str:
    """Return the whole document."""
    sections = [
        {
            "number": number,
            "code": section.code,
            "title": section.title,
            "says": section.says,
            "tables": [_table(one, contents) for one in tables],
        }
        for number, (section, tables) in enumerate(contents.sections, 1)
    ]
    return render_to_string(
        "evidence/pack.html",
        {
            "contents": contents,
            "facts": facts(contents),
            "claim": CLAIM,
            "sections": sections,
            "frameworks": judged["frameworks"],
            "mapping_name": judged["name"],
            "no_text": NO_TEXT,
        },
    )


def facts(contents: Contents) -> list[tuple[str, str]]:
    """Return what stands on the first page, by name."""
    when = f"{contents.first} to {contents.last}, both included ({contents.time_zone})"
    told = for_people(contents.built_at, Kind.MOMENT)
    return [
        ("Company", for_people(contents.company, Kind.TEXT)),
        ("Period", when if contents.is_over else f"{when}; not over when this was built"),
        ("Departments", ", ".join(contents.departments) + " and all below" if contents.departments else "All"),
        ("Built", f"{told} UTC by {for_people(contents.built_by, Kind.TEXT)}"),
        ("Times", "UTC throughout"),
        (
            "Rows",
            f"At most {contents.limit:,} of each table here; all of them in the files in the folder {FOLDER}",
        ),
    ]


def note_of(filled: Filled, contents: Contents) -> str:
    """Return what has to be known about a table: how much of it is shown, and for whom it speaks."""
    table = filled.table
    parts = []
    if filled.is_cut:
        parts.append(
            f"The first {len(filled.rows):,} of {filled.count:,} rows; all are in {FOLDER}/{table.name}.csv."
        )
    if table.whole_company and contents.departments:
        parts.append("Of the whole company: it cannot be narrowed to a department.")
    return " ".join(parts)


def _table(filled: Filled, contents: Contents) -> dict[str, Any]:
    kinds = [column.kind for column in filled.table.columns]
    return {
        "code": filled.table.code,
        "title": filled.table.title,
        "says": filled.table.says,
        "empty": filled.table.empty,
        "note": note_of(filled, contents),
        "count": filled.count,
        "heads": [(column.title, column.kind in RIGHT) for column in filled.table.columns],
        "rows": [
            [(said := for_people(cell, kind), _how(said, kind)) for cell, kind in zip(row, kinds, strict=True)]
            for row in filled.rows
        ],
    }


def _how(said: str, kind: Kind) -> str:
    """Return the class of a cell: what must not be broken, what may be anywhere, what needs room."""
    if kind in RIGHT:
        return "number"
    if kind is Kind.MOMENT:
        return "moment"
    if max(map(len, said.split()), default=0) > LONG_WORD:
        return "long"
    return "said" if len(said) > LONG_TEXT and "\n" not in said else ""
