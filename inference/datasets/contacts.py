"""Where the segments of a label array touch, as training counts it (`connectome.contacts`)."""

from __future__ import annotations

from connectome.contacts import (
    Contacts,
    contact_center,
    contact_spread,
    find_contacts,
    gaps_filled,
)

__all__ = ["Contacts", "contact_center", "contact_spread", "find_contacts", "gaps_filled"]
