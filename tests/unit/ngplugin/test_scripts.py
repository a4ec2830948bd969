from __future__ import annotations

import base64
import json

import pytest

from ngplugin import scripts
from ngplugin.grid import CellKey
from ngplugin.snapshot import SitePatch


def parameters(script: str) -> tuple[str, dict[str, object]]:
    """Read back what a script says, as JSON."""
    head = "window.proofdesk.run("
    assert script.startswith(head)
    assert script.endswith(");")
    command, given = json.loads(f"[{script[len(head) : -2]}]")
    return command, given


def test_ids_travel_as_strings() -> None:
    command, given = parameters(scripts.show_segments([(2**64 - 1, "#1f77b4")]))
    assert command == "showPair"
    assert given == {"segments": [{"id": "18446744073709551615", "color": "#1f77b4"}]}


@pytest.mark.parametrize(
    "hostile",
    [
        "</script><script>alert(1)</script>",
        "'); alert(1); ('",
        '"); alert(1); ("',
        "`${alert(1)}`",
        "\\",
        "\u2028\u2029\n\r",
        "\U0001f600 \x00",
    ],
)
def test_hostile_text_stays_text(hostile: str) -> None:
    script = scripts.call("moveTo", {"layout": hostile})
    assert "<" not in script
    assert "\u2028" not in script
    assert "\n" not in script
    assert parameters(script)[1]["layout"] == hostile


def test_numbers_that_json_cannot_say_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        scripts.move_to((float("nan"), 0.0, 0.0))


def test_unknown_layouts_are_refused() -> None:
    with pytest.raises(ValueError, match="xy-3d"):
        scripts.move_to(layout="5panel")


def test_properties_travel_packed() -> None:
    patch = SitePatch([3, 4], bytes(range(16)), [(CellKey(1, 2, 0, 3), 2)])
    _, given = parameters(scripts.patch_sites(patch))
    assert given["ids"] == ["3", "4"]
    assert given["cells"] == [[1, "2,0,3", 2]]
    assert base64.b64decode(str(given["properties"])) == bytes(range(16))


def test_cells_are_named_as_the_client_names_them() -> None:
    _, given = parameters(scripts.refresh_cells({CellKey(1, 2, 0, 3), CellKey(0, 0, 0, 0)}))
    assert given["cells"] == [[0, "0,0,0"], [1, "2,0,3"]]


def test_install_carries_the_file_and_its_configuration() -> None:
    script = scripts.install(
        base="/proofdesk/t/n", layers={"sites": "sites"}, imagery_url="http://h/</script>"
    )
    assert "window.proofdesk = {" in script
    assert "</script>" not in script
