"""The public CAVE datasets, so that their names suffice."""

from __future__ import annotations

from connectome.errors import DatastackError

__all__ = ["PUBLIC_SERVERS", "server_of"]

_MICRONS = "https://global.daf-apis.com"
_BRAIN_WIRE = "https://global.brain-wire-test.org"

PUBLIC_SERVERS = {
    "minnie65_public": _MICRONS,
    "flywire_fafb_public": _MICRONS,
    "h01_c3_flat": _BRAIN_WIRE,
    "fish1_full": _BRAIN_WIRE,
}
"""Mouse cortex, adult fly brain, human cortex and larval zebrafish, and who serves each."""


def server_of(name: str) -> str:
    """Return the server of a public datastack.

    Raises
    ------
    DatastackError
        If the name is none of them.
    """
    try:
        return PUBLIC_SERVERS[name]
    except KeyError:
        raise DatastackError(
            f"{name!r} is none of the public datastacks {', '.join(PUBLIC_SERVERS)}.",
            f"Name its server as well: cave:{name}@SERVER.",
        ) from None
