"""VI against looks, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import MissingPackageError
from inference.adaptive.orders import Order
from proofreading.files import storage_errors

__all__ = ["write_plot"]

# Colours that people who see few colours can tell apart (Okabe and Ito 2008).
_STYLE = {
    Order.VALUE_UNCERTAINTY: ("value × uncertainty", "#0072B2"),
    Order.VALUE: ("value", "#009E73"),
    Order.PROBABILITY: ("probability", "#E69F00"),
    Order.UNCERTAINTY: ("uncertainty", "#CC79A7"),
    Order.RANDOM: ("random", "#7F7F7F"),
}


def write_plot(out: Path, curves: Mapping[Order, NDArray[np.float64]], perfect: float) -> None:
    """Write ``vi.png`` and ``vi.svg``: a line per order, with the range over its seeds.

    Parameters
    ----------
    curves : mapping of Order to ndarray, shape (seeds, looks + 1)
        VI after each number of looks, nats.
    perfect : float
        The VI that a perfect person reaches, drawn as a dashed line.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    StorageError
        If the folder cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "The package matplotlib is not installed.", "Install Proofdesk with the extra `gui`."
        ) from error
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    _draw(figure.add_subplot(), curves, perfect)
    # Beside the lines: they cross every corner of the axes.
    figure.legend(frameon=False, fontsize=9, loc="outside right upper")
    with storage_errors(out / "vi.png"):
        figure.savefig(out / "vi.png", dpi=160)
    with storage_errors(out / "vi.svg"):
        figure.savefig(out / "vi.svg", metadata={"Date": None})


def _draw(axes: Any, curves: Mapping[Order, NDArray[np.float64]], perfect: float) -> None:
    for order in sorted(curves, key=list(_STYLE).index):
        label, colour = _STYLE[order]
        curve = curves[order]
        looks = np.arange(curve.shape[1])
        axes.fill_between(looks, curve.min(0), curve.max(0), color=colour, alpha=0.18, lw=0)
        axes.plot(looks, curve.mean(axis=0), color=colour, lw=1.8, label=label)
    axes.axhline(perfect, color="black", lw=1, ls="--", label="a perfect person")
    seeds = max(curve.shape[0] for curve in curves.values())
    axes.set_xlabel("looks (questions answered)")
    axes.set_ylabel("variation of information (nats)")
    axes.set_title(f"Mean of {seeds} seeds; the band is their range", fontsize=9, loc="left")
    axes.set_xlim(0, max(curve.shape[1] for curve in curves.values()) - 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", lw=0.4, alpha=0.5)
