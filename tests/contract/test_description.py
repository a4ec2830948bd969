"""The service describes every route it has, and the description is true to the form."""

from __future__ import annotations

from typing import Any

import requests

from connectome.offline.service import RunningService
from connectome.offline.service.app import ROUTES
from connectome.offline.service.routing import ServiceRoute
from tests.contract.volumes import NAME


def _read(service: RunningService) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {service.token}"}
    answer = requests.get(f"{service.url}/openapi.json", headers=headers, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_every_route_says_what_it_is() -> None:
    silent = [
        getattr(entry, "path", entry)
        for entry in ROUTES
        if not (isinstance(entry, ServiceRoute) and entry.about and entry.about.summary)
    ]
    assert silent == []


def test_every_route_is_described(service: RunningService) -> None:
    paths = _read(service)["paths"]
    for entry in ROUTES:
        assert isinstance(entry, ServiceRoute)
        for method in (entry.methods or set()) - {"HEAD"}:
            operation = paths[entry.path_format][method.lower()]
            named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert named == set(entry.param_convertors)
    assert "/openapi.json" in paths


def test_the_description_is_openapi(service: RunningService) -> None:
    import schemathesis

    described = _read(service)
    assert described["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(described).validate()
    token = described["components"]["securitySchemes"]["token"]
    assert token == {"type": "http", "scheme": "bearer"}


def test_documented_answers(service: RunningService) -> None:
    paths = _read(service)["paths"]
    table = "/segmentation/api/v1/table/{table}"
    merge = paths[f"{table}/merge"]["post"]
    assert {"200", "400", "401", "403", "500"} == set(merge["responses"])
    read = paths[f"{table}/roots_binary"]["post"]
    assert not any(status.startswith("5") for status in read["responses"])
    assert {"200", "400", "401", "404", "413"} <= set(read["responses"])
    assert [p["schema"] for p in read["parameters"] if p["name"] == "table"] == [{"enum": [NAME]}]
    assert paths["/info/version"]["get"]["security"] == []


def test_the_description_needs_the_token_or_the_secret_path(service: RunningService) -> None:
    assert requests.get(f"{service.url}/openapi.json", timeout=5).status_code == 401
    reading = requests.get(f"{service.viewer_prefix}/openapi.json", timeout=10)
    assert reading.status_code == 200
    assert service.token not in reading.text
    assert service.viewer_prefix not in reading.text
