"""References: fetched over HTTP, and refused at private addresses."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image

from local.provider.references import MAX_REFERENCE_BYTES, is_image
from local.tests.provider.simulation import Simulation, photo

_TEXT = "private/reserved IP addresses not allowed"
_URL = "https://images.test/shoe.png"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.png",
        "http://10.1.2.3/a.png",
        "http://192.168.0.9:9000/a.png",
        "http://169.254.169.254/latest",
        "http://[::1]/a.png",
        "http://[::ffff:127.0.0.1]/a.png",
        "http://0.0.0.0/a.png",
    ],
)
def test_a_private_address_in_the_url_fails_at_create(simulation: Simulation, url: str) -> None:
    answer = simulation.create(image_url=url)
    assert answer.status_code == 400
    assert _TEXT in answer.json()["msg"]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "fd00::1", "::ffff:10.0.0.1"])
def test_a_name_that_stands_for_a_private_address_fails_in_the_task(simulation: Simulation, address: str) -> None:
    simulation.put_on_the_web(_URL, photo(), address=address)
    failed = simulation.finished(image_url=_URL)
    assert failed["state"] == "failed"
    assert _TEXT in failed["failMsg"]
    assert simulation.fetched == []


def test_one_private_address_among_several_is_enough(simulation: Simulation) -> None:
    simulation.put_on_the_web(_URL, photo())
    simulation.addresses["images.test"] = ["93.184.216.34", "127.0.0.1"]
    assert _TEXT in simulation.finished(image_url=_URL)["failMsg"]


def test_an_allowed_origin_is_fetched_although_it_is_private(simulation: Simulation) -> None:
    simulation.control("POST", "/settings", json={"allow_reference_origins": ["http://127.0.0.1:4566"]})
    simulation.put_on_the_web("http://127.0.0.1:4566/bucket/shoe.png?X-Amz-Signature=1", photo())
    done = simulation.finished(image_url="http://127.0.0.1:4566/bucket/shoe.png?X-Amz-Signature=1")
    assert done["state"] == "completed"
    assert simulation.create(image_url="http://127.0.0.1:4567/bucket/shoe.png").status_code == 400


def test_all_of_loopback_is_fetched_when_admitted(simulation: Simulation) -> None:
    simulation.control("POST", "/settings", json={"admit_loopback_references": True})
    simulation.put_on_the_web("http://127.0.0.1:9/shoe.png", photo(), address="127.0.0.1")
    assert simulation.finished(image_url="http://127.0.0.1:9/shoe.png")["state"] == "completed"
    assert simulation.create(image_url="http://10.0.0.1/shoe.png").status_code == 400


def test_the_fetch_names_a_user_agent_and_carries_no_key(simulation: Simulation) -> None:
    simulation.put_on_the_web(_URL, photo())
    simulation.finished(image_url=_URL)
    [request] = simulation.fetched
    assert request.headers["user-agent"]
    assert "authorization" not in request.headers


def test_a_dead_link_fails_the_task_and_costs_nothing(simulation: Simulation) -> None:
    simulation.put_on_the_web(_URL, b"", status=403)
    failed = simulation.finished(image_url=_URL)
    assert failed["state"] == "failed"
    assert "HTTP 403" in failed["failMsg"]
    assert simulation.accounts()["charged_micro_usd"] == 0


def test_a_redirect_to_a_private_address_fails_the_task(simulation: Simulation) -> None:
    simulation.put_on_the_web(_URL, b"")
    simulation.web[_URL] = httpx.Response(302, headers={"location": "http://169.254.169.254/latest"})
    simulation.addresses["169.254.169.254"] = ["169.254.169.254"]
    assert _TEXT in simulation.finished(image_url=_URL)["failMsg"]


def test_a_redirect_to_a_public_image_is_followed(simulation: Simulation) -> None:
    simulation.put_on_the_web(_URL, b"")
    simulation.web[_URL] = httpx.Response(302, headers={"location": "/moved.png"})
    simulation.put_on_the_web("https://images.test/moved.png", photo())
    assert simulation.finished(image_url=_URL)["state"] == "completed"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>not found</html>", "only JPEG, PNG and WEBP"),
        (b"GIF89a" + bytes(20), "only JPEG, PNG and WEBP"),
        (b"\xff\xd8\xff" + bytes(MAX_REFERENCE_BYTES), "at most 30MB"),
        (b"\x89PNG\r\n\x1a\n and then nothing", "cannot be decoded"),
    ],
)
def test_what_is_no_usable_image_fails_the_task(simulation: Simulation, data: bytes, words: str) -> None:
    simulation.put_on_the_web(_URL, data)
    failed = simulation.finished(image_url=_URL)
    assert failed["state"] == "failed"
    assert words in failed["failMsg"]


def test_an_unknown_host_fails_the_task(simulation: Simulation) -> None:
    assert "cannot be resolved" in simulation.finished(image_url="https://nowhere.test/a.png")["failMsg"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_formats_are_told_by_their_first_bytes(kind: str) -> None:
    assert is_image(photo(kind=kind))


def test_an_uploaded_file_can_be_a_reference(simulation: Simulation) -> None:
    answer = simulation.call("POST", "/files", files={"file": ("shoe.png", photo(), "image/png")})
    url = answer.json()["data"]["publicUrl"]
    served = simulation.result(url)
    assert Image.open(io.BytesIO(served.content)).size == (120, 80)
    # Its address is the simulator's own, which the check must let pass.
    simulation.put_on_the_web(url, served.content, address="127.0.0.1")
    assert simulation.finished(image_url=url)["state"] == "completed"


def test_an_upload_without_the_field_file_is_refused(simulation: Simulation) -> None:
    answer = simulation.call("POST", "/files", files={"upload": ("shoe.png", photo(), "image/png")})
    assert answer.status_code == 400
