"""Points of a cut in the page: drawn, dragged, taken away, and put where the mouse is.

They lie in a layer of the client's own, so that its own tools move them (Ctrl or Alt and
drag) and delete them (Ctrl, Alt and right click); the page reports what a person did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectome.space import PointNm
from ngplugin import scripts
from ngplugin.style import COLOR_A, COLOR_B, hex_vec3
from ngplugin.updates import PageUpdates

__all__ = ["MARKS", "MARK_SHADER", "Mark", "Marks"]

MARKS = "cut"
"""Name of the layer."""

# Side 0 is a disc, side 1 a ring: colour never stands alone.
MARK_SHADER = f"""\
void main() {{
  bool ring = int(prop_side()) == 1;
  vec3 color = ring ? {hex_vec3(COLOR_B)} : {hex_vec3(COLOR_A)};
  setPointMarkerSize(ring ? 17.0 : 15.0);
  setPointMarkerBorderWidth(ring ? 5.0 : 2.0);
  setPointMarkerColor(vec4(ring ? vec3(1.0) : color, 0.95));
  setPointMarkerBorderColor(vec4(ring ? color : vec3(1.0), 1.0));
}}
"""


@dataclass(frozen=True)
class Mark:
    """One point: a number that stays, its side (0 or 1) and its position, nm."""

    number: int
    side: int
    position_nm: PointNm


class Marks:
    """The points of one page.

    Callbacks are called on Neuroglancer's server thread.

    Parameters
    ----------
    updates : PageUpdates
        The way to the page.
    voxel_nm : tuple of float
        The page counts in these.
    """

    def __init__(self, updates: PageUpdates, voxel_nm: PointNm) -> None:
        self._updates = updates
        self._voxel_nm = voxel_nm
        self._moved: list[Callable[[list[Mark]], None]] = []
        self._pointed: list[Callable[[int, PointNm], None]] = []

    def show(self, marks: Sequence[Mark]) -> None:
        """Show exactly these points; none hides the layer."""
        plain = [
            {
                "id": str(mark.number),
                "side": mark.side,
                "position": [p / v for p, v in zip(mark.position_nm, self._voxel_nm, strict=True)],
            }
            for mark in marks
        ]
        self._updates.slot("marks", scripts.call("showMarks", {"marks": plain}))

    def ask(self, side: int) -> None:
        """Ask where the mouse points; where it points at nothing, the centre of the view counts.

        The answer goes to the callbacks of `on_pointed`, with the side.
        """
        self._updates.move("point", scripts.call("pointAt", {"side": side}))

    def on_pointed(self, callback: Callable[[int, PointNm], None]) -> None:
        """Call back with a side and a position (nm) that were asked for."""
        self._pointed.append(callback)

    def on_moved(self, callback: Callable[[list[Mark]], None]) -> None:
        """Call back with all points after a person moved or deleted some in the page."""
        self._moved.append(callback)

    def take(self, message: Mapping[str, object]) -> bool:
        """Take a report of the page; tell whether it was about points.

        Raises
        ------
        ValueError
            If it is not what the page sends.
        """
        if "pointed" in message:
            side, position = self._pointed_at(message["pointed"])
            for pointed in list(self._pointed):
                pointed(side, position)
            return True
        if "marks" in message:
            marks = self._marks(message["marks"])
            for moved in list(self._moved):
                moved(marks)
            return True
        return False

    def _pointed_at(self, plain: Any) -> tuple[int, PointNm]:
        try:
            return int(plain["side"]), self._nm(plain["position"])
        except (TypeError, KeyError) as error:
            msg = f"not a point: {plain!r}"
            raise ValueError(msg) from error

    def _marks(self, plain: Any) -> list[Mark]:
        try:
            return [
                Mark(int(each["id"]), int(each["side"]), self._nm(each["position"]))
                for each in plain
            ]
        except (TypeError, KeyError) as error:
            msg = f"not points: {plain!r}"
            raise ValueError(msg) from error

    def _nm(self, position: Sequence[float]) -> PointNm:
        x, y, z = (float(p) * v for p, v in zip(position, self._voxel_nm, strict=True))
        if not all(map(math.isfinite, (x, y, z))):
            msg = f"not a position: {position!r}"
            raise ValueError(msg)
        return x, y, z
