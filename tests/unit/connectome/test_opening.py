from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from connectome.errors import DatastackError, OfflineError
from connectome.opening import open_datastack


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nowhere/at/all",
        "cave:",
        "cave:@server",
        "cave:two words@x",
        "precomputed:",
        "ftp://x/y",
    ],
)
def test_other_addresses_are_explained(address: str) -> None:
    with pytest.raises(DatastackError) as caught:
        open_datastack(address)
    assert "cave:NAME@SERVER" in caught.value.hint


def test_a_folder_that_is_no_datastack(tmp_path: Path) -> None:
    with pytest.raises(DatastackError, match=r"manifest\.json"):
        open_datastack(str(tmp_path))


def test_a_folder_without_a_precomputed_volume(tmp_path: Path) -> None:
    for address in (f"precomputed:{tmp_path}", f"precomputed:{tmp_path.as_uri()}"):
        with pytest.raises(DatastackError, match="no precomputed volume"):
            open_datastack(address)


def test_a_precomputed_server_that_is_not_there() -> None:
    with pytest.raises(OfflineError, match="does not answer"):
        open_datastack("precomputed:http://127.0.0.1:9/volume")


def test_an_unencrypted_server_is_refused() -> None:
    with pytest.raises(DatastackError, match="not encrypted"):
        open_datastack("cave:name@http://cave.example", token="ab" * 16)


def test_the_protocols_are_cheap_to_import() -> None:
    program = (
        "import connectome.datastack, connectome.opening, connectome.precomputed, sys\n"
        "heavy = {'cloudvolume', 'caveclient', 'pandas', 'uvicorn', 'kimimaro'}\n"
        "sys.exit(int(bool(heavy & set(sys.modules))))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
