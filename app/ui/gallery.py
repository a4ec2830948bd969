"""Pictures of every state of the real window, each made as a person would get there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from PIL import Image
from PyQt6.QtWidgets import QApplication, QDialog, QWidget

from app.services.model import Phase
from app.services.opening import Opened
from app.services.preferences import Preferences, PreferencesStore
from app.ui.driver import SETTINGS, Driver
from app.ui.log_window import LogWindow
from app.ui.start_dialog import StartDialog
from proofreading.sites import SiteKind

__all__ = ["SCENES", "Scene", "draw_scene"]

_PATIENCE_S = 90.0
"""What takes longer is drawn as it is by then: it is a picture, not a test."""
_BESIDE_NM = 150.0
_MOST_STEPS = 5
_MOST_BYTES = 700_000
_ANSWERS = "FDSDDFDA"
"""Given before anything is drawn, so that counts and curves show something."""

Take = Callable[[str, QWidget | None], None]


@dataclass(frozen=True)
class Scene:
    """One start of the program and what is drawn in it.

    Parameters
    ----------
    size : tuple of int
        Width and height of the window in pixels of a screen at 100 %.
    scale : float
        What the screen is enlarged by.
    light : bool
        Light instead of dark.
    whole : bool
        Every state instead of the question, the queue and the dialogs that depend on size.
    """

    size: tuple[int, int] = (1600, 1000)
    scale: float = 1.0
    light: bool = False
    whole: bool = False


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "dark": Scene(whole=True),
        "light": Scene(light=True),
        "1280x720": Scene(size=(1280, 720)),
        "4k": Scene(size=(1920, 1080), scale=2.0),
    }
)


def draw_scene(name: str, opened: Opened, folder: Path) -> list[Path]:
    """Open the window on a session and save its states as ``NAME-STATE.png``.

    Parameters
    ----------
    name : str
        One of `SCENES`. Its scale is set before Qt starts, by ``QT_SCALE_FACTOR``.
    opened : Opened
        A session with judged sites, that may be changed.

    Returns
    -------
    list of Path
        The pictures, in the order in which they were made.
    """
    scene, saved = SCENES[name], list[Path]()
    chosen = Preferences(appearance="light" if scene.light else "dark", tour_done=True)
    PreferencesStore(opened.session / SETTINGS).write(chosen)
    with Driver(opened, size=scene.size) as driver:

        def take(state: str, widget: QWidget | None = None) -> None:
            driver.settle()
            saved.append(_smaller(driver.grab(folder / f"{name}-{state}.png", widget)))

        _begin(driver, scene, take)
        for draw in _whole(driver, take) if scene.whole else _short(driver, take):
            with suppress(TimeoutError):
                draw()
            _close_all(driver)
    return saved


def _smaller(path: Path) -> Path:
    """Keep a picture in 256 colours: a third of the size, and nothing to be seen of it.

    One that is large even so gets evenly chosen colours, which take half of that.
    """
    with Image.open(path) as found:
        whole = found.convert("RGB")
    for method in (Image.Quantize.MEDIANCUT, Image.Quantize.FASTOCTREE):
        whole.quantize(256, method, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= _MOST_BYTES:
            break
    return path


def _begin(driver: Driver, scene: Scene, take: Take) -> None:
    if scene.whole:
        take("loading", None)
    with suppress(TimeoutError):  # What is not drawn by then shows as it is.
        driver.until_painted()
    _complete(driver)
    for key in _ANSWERS:
        driver.press(key)
        _complete(driver)
    for _ in range(_MOST_STEPS):
        now = driver.workbench.snapshot().current
        if now is None or now.verdict is not None:
            break
        driver.press("Space")  # What hides its verdict shows little.
        _complete(driver)


def _complete(driver: Driver) -> None:
    """Wait until the site on the screen has its pictures and its verdict."""

    def there() -> bool:
        now = driver.workbench.snapshot().current
        phases = () if now is None else (now.pictures_phase, now.verdict_phase)
        return bool(phases) and Phase.LOADING not in phases

    with suppress(TimeoutError):
        driver.until(there, "pictures and verdict", _PATIENCE_S)
    driver.rest(1.0)


def _short(driver: Driver, take: Take) -> Iterator[Callable[[], None]]:
    yield partial(take, "question", None)
    yield partial(_dialog, driver, take, "dashboard", driver.window.open_dashboard)
    yield partial(_dialog, driver, take, "settings", driver.window.open_settings)


def _whole(driver: Driver, take: Take) -> Iterator[Callable[[], None]]:
    yield partial(_start, take)
    yield partial(take, "question", None)
    yield partial(_after, driver, take)
    yield partial(_crosshair, driver, take)
    yield partial(_keyed, driver, take, "map", "B")
    yield partial(_why, driver, take)
    yield partial(_cut, driver, take)
    yield partial(_error, driver, take)
    yield partial(_dialog, driver, take, "dashboard", driver.window.open_dashboard)
    yield partial(_dialog, driver, take, "risk", driver.window.open_risk_dial)
    yield partial(_dialog, driver, take, "settings", driver.window.open_settings)
    yield partial(_dialog, driver, take, "export", driver.window.open_export)
    yield partial(_keyed, driver, take, "palette", "Ctrl+K")
    yield partial(_keyed, driver, take, "keys", "?")
    yield partial(_tour, driver, take)


def _start(take: Take) -> None:
    dialog = StartDialog(())
    dialog.show()
    take("start", dialog)
    dialog.close()


def _after(driver: Driver, take: Take) -> None:
    driver.press("C")
    driver.rest(3.0)
    take("after-merge", None)
    driver.press("C")


def _crosshair(driver: Driver, take: Take) -> None:
    """Draw the pictures with a mark where Neuroglancer looks, beside the site."""
    current = driver.workbench.snapshot().current
    if current is None:
        return
    x, y, z = current.site.point_nm
    driver.workbench.viewer.look_at((x + _BESIDE_NM, y + _BESIDE_NM, z + _BESIDE_NM))
    driver.rest(2.0)
    take("cross-hair", None)
    driver.workbench.viewer.look_at((x, y, z))


def _keyed(driver: Driver, take: Take, state: str, key: str) -> None:
    """Draw what a key opens, and press it again to close it."""
    driver.press(key)
    driver.rest(2.0)
    take(state, None)


def _why(driver: Driver, take: Take) -> None:
    """Draw where the judge looked and its reasons, once they have been worked out."""
    bench = driver.workbench
    bench.toggle_overlay()
    bench.toggle_why()

    def told() -> bool:
        view = bench.snapshot().why
        return view is not None and view.explained is not None and not view.waits

    with suppress(TimeoutError):
        driver.until(told, "where the judge looked", _PATIENCE_S)
    driver.rest(1.0)
    take("why", None)
    bench.toggle_why()
    bench.toggle_overlay()


def _cut(driver: Driver, take: Take) -> None:
    bench = driver.workbench
    site = next(iter(bench.session.catalogue.sites(SiteKind.BOTTLENECK)), None)
    if site is None:
        return
    bench.select(site.id)
    _complete(driver)
    driver.press("E")
    driver.until(lambda: _cut_phase(driver) == "partial", "the suggested points")
    driver.press("P")
    driver.until(lambda: _cut_phase(driver) in ("ready", "failed"), "the preview")
    driver.rest(2.0)
    take("split-preview", None)
    bench.cutting.leave()


def _cut_phase(driver: Driver) -> str:
    view = driver.workbench.snapshot().cut
    return "" if view is None else view.phase.value


def _error(driver: Driver, take: Take) -> None:
    """Answer to make a cut where nothing was previewed: a sentence and what to do."""
    driver.press("Return")
    driver.rest(0.3)
    take("error", None)


def _dialog(driver: Driver, take: Take, state: str, open_it: Callable[[], None]) -> None:
    open_it()
    driver.rest(2.0)
    take(state, _front(driver))


def _tour(driver: Driver, take: Take) -> None:
    driver.window.show_tour()
    driver.rest(0.5)
    take("tour", None)


def _front(driver: Driver) -> QWidget | None:
    """Return the dialog that was opened last, if any."""
    found = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog | LogWindow)]
    shown = [widget for widget in found if widget.isVisible()]
    return shown[-1] if shown else driver.window


def _close_all(driver: Driver) -> None:
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, QDialog | LogWindow) and widget.isVisible():
            widget.close()
    driver.press("Esc")


if __name__ == "__main__":  # a process for each scene: Qt scales only once
    NAME, SESSION, ADDRESS, FOLDER = sys.argv[1:]
    draw_scene(NAME, Opened(Path(SESSION), ADDRESS), Path(FOLDER))
