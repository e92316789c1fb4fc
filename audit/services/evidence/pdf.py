"""The pack as PDF: contents, tables that break over pages, an embedded font. Imported where one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    LongTable,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

from audit.evidence import Kind
from audit.services.evidence.cells import for_people, shown
from audit.services.evidence.contents import CLAIM, Contents, Filled
from audit.services.evidence.page import NO_TEXT, RIGHT, facts, note_of

FONTS = Path(__file__).resolve().parent / "fonts"
PLAIN, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
MARGIN = 14 * mm
PAGE = landscape(A4)
WIDTH = PAGE[0] - 2 * MARGIN
QUIET, LINE, HEAD = colors.HexColor("#57606a"), colors.HexColor("#c3cad1"), colors.HexColor("#eef1f4")
MAPPING_TITLE = "Which parts speak to which requirement"
# How wide a column gets beyond its longest word: by its longest line, within these.
NARROWEST, WIDEST = 2, 46
LONGEST_WORD = 16  # characters
PADDING = 6  # points


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(name, **{"fontName": PLAIN, "fontSize": size, "leading": size * 1.3, **more})


TITLE = _style("title", 22, fontName=BOLD, spaceAfter=6)
SECTION = _style("section", 16, fontName=BOLD, spaceAfter=3)
TABLE = _style("table", 10.5, fontName=BOLD, spaceBefore=9, spaceAfter=2)
BODY = _style("body", 9, spaceAfter=3)
SMALL = _style("small", 8, textColor=QUIET, spaceAfter=3)
CELL = _style("cell", 6.8)
HEADING = _style("heading", 6.8, fontName=BOLD)
HEADING_RIGHT = _style("heading-right", 6.8, fontName=BOLD, alignment=TA_RIGHT)
LEVELS = [_style("level-0", 10, fontName=BOLD, spaceBefore=5), _style("level-1", 8.5, leftIndent=12)]


class Titled(Protocol):
    """What stands above every page."""

    @property
    def title(self) -> str:
        """Return what the document is called."""

    @property
    def company(self) -> str:
        """Return whose it is."""


class Document(BaseDocTemplate):
    """Pages with the title above, their number below, and headings that the table of contents hears of."""

    def __init__(self, path: str | IO[bytes], contents: Titled) -> None:
        super().__init__(
            path,
            pagesize=PAGE,
            leftMargin=MARGIN,
            rightMargin=MARGIN,
            topMargin=MARGIN + 6 * mm,
            bottomMargin=MARGIN + 3 * mm,
            title=contents.title,
            author=_drawable(shown(contents.company)),
            subject="What the portal recorded; no statement of compliance",
            invariant=1,  # the same contents are the same file
        )
        frame = Frame(self.leftMargin, self.bottomMargin, self.width, self.height, id="page", showBoundary=0,
                      leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)  # fmt: skip
        self._above = f"{_drawable(shown(contents.title))[:160]} · {_drawable(shown(contents.company))[:120]}"
        self.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=self._around)])

    def _around(self, canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(PLAIN, 7.5)
        canvas.setFillColor(QUIET)
        canvas.drawString(MARGIN, PAGE[1] - MARGIN, self._above)
        canvas.drawString(MARGIN, MARGIN - 3 * mm, "What the portal recorded; no statement of compliance.")
        canvas.drawRightString(PAGE[0] - MARGIN, MARGIN - 3 * mm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - reportlab's name
        """Tell the table of contents and the outline of a heading."""
        level = {"section": 0, "table": 1}.get(getattr(getattr(flowable, "style", None), "name", ""))
        if level is None:
            return
        text, key = flowable.getPlainText(), flowable.evidence_key
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level, closed=level == 0)
        self.notify("TOCEntry", (level, escape(text), self.page, key))


def write_pdf(path: Path, contents: Contents, judged: dict[str, Any]) -> None:
    """Write the document."""
    load_fonts()
    Document(str(path), contents).multiBuild(list(_story(contents, judged)))


def load_fonts() -> None:
    """Register the embedded fonts, once a process."""
    for name in (PLAIN, BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(PLAIN, normal=PLAIN, bold=BOLD, italic=PLAIN, boldItalic=BOLD)


def _story(contents: Contents, judged: dict[str, Any]) -> Iterator[Flowable]:
    yield Paragraph(contents.title, TITLE)
    yield Paragraph(CLAIM, BODY)
    yield Spacer(1, 4 * mm)
    rows = [[Paragraph(name, SMALL), cell(said, BODY)] for name, said in facts(contents)]
    yield LongTable(
        rows, colWidths=[32 * mm, WIDTH - 32 * mm], style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")])
    )
    yield Spacer(1, 4 * mm)
    yield Paragraph("Contents", _style("contents", 13, fontName=BOLD, spaceAfter=3))
    toc = TableOfContents()
    toc.levelStyles, toc.dotsMinLevel = LEVELS, 0
    # As long as it will be, so that the second time around every page number is right.
    toc.addEntries(list(_headings(contents, judged)))
    toc.tableStyle = TableStyle([(side, (0, 0), (-1, -1), 0.5) for side in ("TOPPADDING", "BOTTOMPADDING")])
    yield toc
    for number, (section, tables) in enumerate(contents.sections, 1):
        yield PageBreak()
        yield heading(f"{number}. {section.title}", SECTION, section.code)
        yield Paragraph(escape(section.says), SMALL)
        for one in tables:
            yield from _filled(one, contents)
    yield from _mapping(judged)


def _headings(contents: Contents, judged: dict[str, Any]) -> Iterator[tuple[int, str, int, str]]:
    """Yield what the table of contents will say, without the pages."""
    for number, (section, tables) in enumerate(contents.sections, 1):
        yield 0, escape(f"{number}. {section.title}"), 0, section.code
        yield from ((1, escape(one.table.title), 0, one.table.code) for one in tables)
    yield 0, MAPPING_TITLE, 0, "mapping"
    yield from ((1, escape(one["name"]), 0, f"of-{one['code']}") for one in judged["frameworks"])


def heading(text: str, style: ParagraphStyle, key: str) -> Paragraph:
    """Return a heading that the outline and the table of contents hear of."""
    found = Paragraph(escape(text), style)
    found.evidence_key = key
    return found


def _filled(filled: Filled, contents: Contents) -> Iterator[Flowable]:
    table = filled.table
    yield CondPageBreak(35 * mm)
    yield heading(table.title, TABLE, table.code)
    yield Paragraph(escape(table.says), BODY)
    if note := note_of(filled, contents):
        yield Paragraph(escape(note), SMALL)
    if not filled.rows:
        yield Paragraph(escape(table.empty), SMALL)
        return
    kinds = [column.kind for column in table.columns]
    rows = [[for_people(cell, kind) for cell, kind in zip(row, kinds, strict=True)] for row in filled.rows]
    yield grid([column.title for column in table.columns], kinds, rows)


def _mapping(judged: dict[str, Any]) -> Iterator[Flowable]:
    words = {"all": "every part has content", "some": "some parts have content", "none": "no content"}
    yield PageBreak()
    yield heading(MAPPING_TITLE, SECTION, "mapping")
    yield Paragraph(
        escape(f"{judged['name']}. The words are our own and no text of a law or a standard."), BODY
    )
    for framework in judged["frameworks"]:
        yield CondPageBreak(35 * mm)
        yield heading(framework["name"], TABLE, f"of-{framework['code']}")
        yield cell(framework["source"], SMALL)
        rows = [
            [
                row["id"],
                " ".join(part for part in (row["shows"], _beyond(row)) if part),
                "\n".join(f"{part['title']}: {part['entries']:,}" for part in row["evidence"]),
                words[row["content"]],
            ]
            for row in framework["rows"]
        ]
        heads = ["Row", "What this pack shows for it", "Where, with how many rows", "In this period"]
        yield grid(heads, [Kind.TEXT] * 4, rows)


def _beyond(row: dict[str, Any]) -> str:
    beyond = f"Not in the portal: {row['beyond']}" if row.get("beyond") else ""
    return " ".join(part for part in (beyond, "" if row["text_checked"] else NO_TEXT) if part)


def grid(heads: Sequence[str], kinds: Sequence[Kind], rows: Sequence[Sequence[str]]) -> LongTable:
    """Return a table that breaks over pages and repeats its head."""
    top = [
        cell(head, HEADING_RIGHT if kind in RIGHT else HEADING) for head, kind in zip(heads, kinds, strict=True)
    ]
    # A paragraph costs; what is short, or nothing at all, needs none.
    below = [
        [
            cell(said, CELL) if said and kind not in RIGHT else said
            for said, kind in zip(row, kinds, strict=True)
        ]
        for row in rows
    ]
    right = [at for at, kind in enumerate(kinds) if kind in RIGHT]
    style = [
        ("FONT", (0, 1), (-1, -1), PLAIN, CELL.fontSize, CELL.leading),
        *(("ALIGN", (at, 1), (at, -1), "RIGHT") for at in right),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("BACKGROUND", (0, 0), (-1, 0), HEAD),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        *((side, (0, 0), (-1, -1), 2.5) for side in ("LEFTPADDING", "RIGHTPADDING")),
        *((side, (0, 0), (-1, -1), 1.6) for side in ("TOPPADDING", "BOTTOMPADDING")),
    ]
    widths = _widths(heads, rows)
    return LongTable([top, *below], colWidths=widths, repeatRows=1, splitInRow=1, style=TableStyle(style))


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[float]:
    """Give each column room for its longest word, and share what is left by how much they have to say."""
    columns = [(head, [row[at] for row in rows]) for at, head in enumerate(heads)]
    least = [max(_word(head), *map(_word, said), 0) + PADDING for head, said in columns]
    longest = [max((len(line) for one in said for line in one.split("\n")), default=0) for _, said in columns]
    weights = [max(NARROWEST, min(long, WIDEST)) for long in longest]
    left = WIDTH - sum(least)
    if left < 0:
        return [one * WIDTH / sum(least) for one in least]
    return [one + left * weight / sum(weights) for one, weight in zip(least, weights, strict=True)]


def _word(text: str) -> float:
    """Return how wide the longest word of a text is, in points; what is longer than a word may be broken."""
    longest = max((word[:LONGEST_WORD] for word in text.split()), key=len, default="")
    return float(pdfmetrics.stringWidth(longest, BOLD, CELL.fontSize))


def cell(text: str, style: ParagraphStyle) -> Paragraph:
    """Return a text as it may be drawn: never markup, and nothing the font does not have."""
    return Paragraph(escape(_drawable(text)).replace("\n", "<br/>"), style)


def _drawable(text: str) -> str:
    """Return a text with the code of each character that the font does not have."""
    glyphs: Callable[[int], bool] = partial(_has_glyph, pdfmetrics.getFont(PLAIN).face.charToGlyph)
    return (
        text if text.isascii() else "".join(one if glyphs(ord(one)) else f"[U+{ord(one):04X}]" for one in text)
    )


def _has_glyph(known: dict[int, int], code: int) -> bool:
    return code in known or code == 10
