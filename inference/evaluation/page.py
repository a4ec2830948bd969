"""The parts of a page that needs nothing but itself: tables, headings and one style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from inference.evaluation.bootstrap import Figure

__all__ = ["cell", "figure_cell", "page", "paragraph", "section", "table"]

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto;
  max-width: 1080px; padding: 2em 1.5em 5em; }
h1 { font-size: 1.7em; margin: 0 0 .2em; }
h2 { font-size: 1.25em; margin: 2.4em 0 .5em; padding-top: .5em; border-top: 1px solid #ddd; }
h3 { font-size: 1.02em; margin: 1.6em 0 .4em; }
p { max-width: 46em; margin: .5em 0; }
p.lead { font-size: 1.08em; }
table { border-collapse: collapse; margin: .8em 0; font-size: .9em; }
th, td { padding: .28em .8em .28em 0; text-align: left; vertical-align: baseline; }
th { border-bottom: 1.5px solid #888; font-weight: 600; }
td { border-bottom: 1px solid #eee; font-variant-numeric: tabular-nums; }
td.faint, small, .faint { color: #777; }
small { font-size: .82em; white-space: nowrap; }
tr.beside td { color: #666; font-style: italic; }
svg { max-width: 100%; height: auto; display: block; margin: 1em 0; }
code { font-size: .86em; color: #444; overflow-wrap: anywhere; }
.ok { color: #00664d; font-weight: 600; }
.bad { color: #b03a00; font-weight: 600; }
""".strip()


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + (
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def section(title: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{escape(title)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{escape(text)}</p>"


def cell(value: object, kind: str = "") -> str:
    """Return a cell of plain text."""
    mark = f' class="{kind}"' if kind else ""
    return f"<td{mark}>{escape(str(value))}</td>"


def figure_cell(figure: Figure | None, *, percent: bool = False) -> str:
    """Return a cell with a figure and, smaller, its interval."""
    if figure is None:
        return cell("–", "faint")
    scale, digits = (100, 2) if percent else (1, 3)
    value, low, high = (f"{v * scale:.{digits}f}" for v in (figure.value, figure.low, figure.high))
    unit, dash = " %" if percent else "", " to " if figure.low < 0 else "–"
    return f"<td>{value}{unit} <small>{low}{dash}{high}</small></td>".replace("-", "−")


def table(names: Sequence[str], rows: Iterable[Sequence[str]], beside: int = 0) -> str:
    """Return a table of cells; the last ``beside`` rows are set apart.

    Parameters
    ----------
    rows : iterable of sequence of str
        Cells as `cell` and `figure_cell` make them.
    """
    lines = list(rows)
    first_beside = len(lines) - beside
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    marks = [' class="beside"' if number >= first_beside else "" for number in range(len(lines))]
    body = "\n".join(
        f"<tr{mark}>{''.join(cells)}</tr>" for mark, cells in zip(marks, lines, strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
