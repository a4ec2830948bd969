"""The unmodified caveclient's state client against the offline service."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from connectome.offline.service import RunningService
from tests.contract.volumes import NAME

STATE = {"layers": [{"type": "segmentation", "segments": [str(2**60 + 1)], "n": 2**60 + 1}]}
RAW = b'{"b": 1152921504606846977,\n  "a": 1.10, "text": "\\u00e9 \xc3\xa9"}'


@pytest.fixture
def states(service: RunningService) -> Any:
    from caveclient import CAVEclient

    client = CAVEclient(
        NAME,
        server_address=service.url,
        auth_token=service.token,
        max_retries=0,
        write_server_cache=False,
    )
    return client.state


def post(service: RunningService, body: bytes, path: str = "post") -> requests.Response:
    return requests.post(
        f"{service.url}/nglstate/api/v1/{path}",
        data=body,
        headers={"Authorization": f"Bearer {service.token}"},
        timeout=10,
    )


def test_a_state_comes_back(states: Any) -> None:
    assert str(states.server_version) == "0.7.2+offline"
    number = states.upload_state_json(STATE)
    assert states.get_state_json(number) == STATE
    other = states.upload_state_json({})
    assert other != number
    assert states.get_state_json(f"{states.state_service_endpoint[:-4]}{other}") == {}
    assert states.get_state_json(number) == STATE


def test_properties_come_back_and_are_no_states(states: Any) -> None:
    number = states.upload_property_json({"@type": "neuroglancer_segment_properties"})
    assert states.get_property_json(number) == {"@type": "neuroglancer_segment_properties"}
    with pytest.raises(requests.HTTPError) as error:
        states.get_state_json(number)
    assert error.value.response.status_code == 404
    with pytest.raises(requests.HTTPError):
        states.get_property_json(states.upload_state_json(STATE))


def test_links_to_a_state(states: Any, service: RunningService) -> None:
    number = states.upload_state_json(STATE)
    viewer = "http://127.0.0.1:9"
    link = states.build_neuroglancer_url(number, viewer, target_site="mainline")
    assert link == f"{viewer}/#!middleauth+{service.url}/nglstate/api/v1/{number}"
    # Upstream's viewer knows no such scheme over http; it reads under the secret path.
    read = requests.get(f"{service.viewer_prefix}/nglstate/api/v1/{number}", timeout=5)
    assert read.json() == STATE


def test_every_byte_stays(service: RunningService) -> None:
    answer = post(service, RAW)
    url = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert url.startswith(f"{service.url}/nglstate/api/v1/")
    number = url.rsplit("/", 1)[1]
    for path in (number, f"raw/{number}"):
        read = requests.get(f"{service.viewer_prefix}/nglstate/api/v1/{path}", timeout=5)
        assert read.content == RAW
        assert read.headers["Content-Type"] == "application/json"
    link = post(service, RAW, "property/post").json()
    for path in (f"{link}/info", link.replace("/property/", "/property/raw/")):
        read = requests.get(path.replace(service.url, service.viewer_prefix), timeout=5)
        assert read.content == RAW


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": NaN}'])
def test_what_is_no_json_is_refused(service: RunningService, body: bytes) -> None:
    assert post(service, body).status_code == 400


def test_long_states_are_refused(service: RunningService) -> None:
    assert post(service, b'"' + b"x" * (16 << 20) + b'"').status_code == 413


def test_numbers_are_not_chosen(states: Any, service: RunningService) -> None:
    for path in ("post/5", "property/post/5"):
        answer = post(service, b"{}", path)
        assert answer.status_code == 403
        assert answer.json()["error"] == "missing_permission"
    with pytest.raises(requests.HTTPError):
        states.upload_state_json(STATE, state_id=5)


@pytest.mark.parametrize(("number", "status"), [("7", 404), (2**64 - 1, 404), ("x", 400)])
def test_numbers_that_are_none(service: RunningService, number: object, status: int) -> None:
    url = f"{service.viewer_prefix}/nglstate/api/v1/{number}"
    assert requests.get(url, timeout=5).status_code == status


def test_saving_needs_the_token(service: RunningService) -> None:
    for base, status in ((service.url, 401), (service.viewer_prefix, 403)):
        answer = requests.post(f"{base}/nglstate/api/v1/post", data=b"{}", timeout=5)
        assert answer.status_code == status
