"""Which members of a client the contract suite drives."""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ["driven", "members"]


def members(client: type) -> set[str]:
    """Return the public members of a client's class that it does not share with all clients."""
    from caveclient.base import ClientBase

    return {name for name in dir(client) if name[0] != "_" and name not in dir(ClientBase)}


def driven(*names: str) -> set[str]:
    """Return what the tests take from something that is called one of these names."""
    found = set()
    for path in Path(__file__).parent.glob("test_caveclient*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in names:
                found.add(node.attr)
    return found
