"""OpenAI's official client, with its base_url and api_key changed and nothing else."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from PIL import Image

from tests.e2e.world import World, wait_until
from tests.programs import GENERATIONS, PROGRAMS, Program

Client = Callable[..., openai.OpenAI]


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    made: list[openai.OpenAI] = []

    def make(api_key: str = "", **options: Any) -> openai.OpenAI:
        made.append(
            openai.OpenAI(base_url=f"{world.stack.images_url}/v1", api_key=api_key or world.stack.api_key, **options)
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


def key_of(world: World, **request: Any) -> str:
    answer = world.call("POST", "/v1/keys", json={"name": "a test", **request})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def shape(picture: bytes) -> tuple[str | None, tuple[int, int]]:
    opened = Image.open(io.BytesIO(picture))
    return opened.format, opened.size


def test_a_picture_comes_as_base64_and_as_a_link_where_nothing_says_which(
    world: World, client: Client, mark: str
) -> None:
    answer = client().images.generate(prompt=f"a fox {mark}", size="1536x1024")

    [picture] = answer.data or []
    assert picture.b64_json
    assert picture.url
    shown = base64.b64decode(picture.b64_json)
    assert httpx.get(picture.url).content == shown
    _, (width, height) = shape(shown)
    assert round(width / height, 1) == 1.5
    [task] = world.tasks(mark)
    assert answer.size == f"{width}x{height}"
    job = world.job(picture.model_extra["heliograph"]["job_id"])  # type: ignore[index]
    assert job["request"]["aspect_ratio"] == "3:2"
    assert job["attempts"][0]["task_id"] == task["task_id"]
    assert job["price_usd"] == picture.model_extra["heliograph"]["price_usd"]  # type: ignore[index]


def test_links_alone_are_enough_where_only_they_are_asked_for(client: Client, mark: str) -> None:
    answer = client().images.generate(prompt=mark, n=2, response_format="url", model="gpt-image-2")

    pictures = answer.data or []
    assert [picture.b64_json for picture in pictures] == [None, None]
    assert len({picture.url for picture in pictures}) == 2


def test_each_picture_is_a_job(world: World, client: Client, mark: str) -> None:
    answer = client().images.generate(prompt=mark, n=3, user="somebody")

    assert len(answer.data or []) == 3
    assert len(world.tasks(mark)) == 3


def test_several_images_are_edited_into_one(world: World, client: Client, mark: str, photo: bytes, jpeg: bytes) -> None:
    answer = client().images.edit(
        image=[("one.png", photo), ("two.bin", jpeg)], prompt=f"both together {mark}", n=1, size="auto"
    )

    [picture] = answer.data or []
    assert picture.b64_json
    job = world.job(picture.model_extra["heliograph"]["job_id"])  # type: ignore[index]
    assert job["task"] == "fusion"
    kinds = [urlsplit(reference).path.rpartition(".")[2] for reference in job["request"]["references"]]
    assert kinds == ["png", "jpg"]


def test_one_image_is_edited(world: World, client: Client, mark: str, photo: bytes) -> None:
    answer = client().images.edit(image=photo, prompt=mark, stream=False, partial_images=0, quality="auto")

    job = world.job((answer.data or [])[0].model_extra["heliograph"]["job_id"])  # type: ignore[index]
    assert job["task"] == "edit"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_gets_its_image(world: World, mark: str, photo: bytes, program: Program) -> None:
    key = {"Authorization": f"Bearer {world.stack.api_key}"}
    sent: dict[str, Any] = {"prompt": f"a fox {mark}", **program.body}
    url = world.stack.images_url + program.path
    if program.file_field:
        files = [(program.file_field, ("photo.png", photo))]
        texts = {name: str(value) for name, value in sent.items()}
        answer = httpx.post(url, headers=key, data=texts, files=files, timeout=120)
    else:
        answer = httpx.post(url, headers=key, json=sent, timeout=120)

    assert answer.status_code == 200, answer.text
    image = answer.json()["data"][0]
    assert {"url", "b64_json"} & image.keys() == {program.reads}
    if program.reads == "url":
        fetched = httpx.get(image["url"], headers=key if program.with_key else {})
        assert fetched.headers["Content-Type"].startswith("image/")
        shown = fetched.content
    else:
        shown = base64.b64decode(image["b64_json"])
    assert shape(shown)[0]


def test_a_link_of_an_answer_is_read_with_a_key_and_one_of_s3_is_not(world: World, client: Client, mark: str) -> None:
    answer = client().images.generate(prompt=mark, response_format="url")
    key = {"Authorization": f"Bearer {world.stack.api_key}"}

    [picture] = answer.data or []
    assert picture.url
    assert shape(httpx.get(picture.url, headers=key).content)[0]
    job = world.job(picture.model_extra["heliograph"]["job_id"])  # type: ignore[index]
    of_s3 = job["results"][0]["url"]
    assert httpx.get(of_s3).status_code == 200
    assert httpx.get(of_s3, headers=key).status_code == 400


def test_the_models_are_listed(client: Client) -> None:
    names = [model.id for model in client().models.list()]
    assert {"gpt-image-2-beta", "gpt-image-2", "gpt-image-1", "dall-e-3"} <= set(names)
    assert client().models.retrieve("dall-e-3").id == "dall-e-3"
    with pytest.raises(openai.NotFoundError):
        client().models.retrieve("gpt-4o")


def test_what_the_model_can_not_do_is_refused_by_name(world: World, client: Client, mark: str, photo: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client().images.generate(prompt=mark, background="transparent")
    assert (refused.value.param, refused.value.code) == ("background", "unsupported_value")
    with pytest.raises(openai.BadRequestError) as refused:
        client().images.generate(prompt=mark, size="1024x3072")
    assert (refused.value.param, refused.value.code) == ("size", "unsupported_value")
    with pytest.raises(openai.BadRequestError) as refused:
        client().images.edit(prompt=mark, image=photo, mask=photo)
    assert (refused.value.param, refused.value.code) == ("mask", "unsupported_parameter")
    with pytest.raises(openai.BadRequestError) as refused:
        client().images.generate(prompt=mark, model="dall-e-1")
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")
    assert "gpt-image-2-beta" in refused.value.message
    with pytest.raises(openai.BadRequestError) as refused:
        client().images.edit(prompt=mark, image=b"no picture")
    assert refused.value.param == "image"
    assert world.tasks(mark) == []


def test_blocked_content_is_told_in_their_words(world: World, client: Client, mark: str) -> None:
    world.fault("create", "refused_content_policy", mark, times=None)

    with pytest.raises(openai.BadRequestError) as refused:
        client().images.generate(prompt=mark)

    assert refused.value.code == "content_policy_violation"
    assert world.tasks(mark) == []


def test_a_wrong_key_opens_nothing(world: World, client: Client) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        client("sk-something").images.generate(prompt="x")
    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id
    with pytest.raises(openai.PermissionDeniedError):
        client(key_of(world, scopes=["jobs:write"])).images.generate(prompt="x")


def test_a_tenants_pictures_are_its_own(world: World, client: Client, mark: str, photo: bytes) -> None:
    shop, blog = (key_of(world, tenant=f"{tenant}-{mark}") for tenant in ("shop", "blog"))

    answer = client(shop).images.edit(image=photo, prompt=mark)

    job_id = (answer.data or [])[0].model_extra["heliograph"]["job_id"]  # type: ignore[index]
    own = world.call("GET", f"/v1/jobs/{job_id}", key=shop)
    assert own.json()["results"][0]["key"].startswith(f"tenants/shop-{mark}/")
    assert f"/tenants/shop-{mark}/references/" in own.json()["request"]["references"][0]
    assert world.call("GET", f"/v1/jobs/{job_id}", key=blog).status_code == 404


def test_a_budget_that_is_used_up_is_an_insufficient_quota(world: World, client: Client, mark: str) -> None:
    world.begin_a_day()
    poor = key_of(world, daily_budget_usd="0.13")

    answer = client(poor).images.generate(prompt=mark, n=3)

    assert len(answer.data or []) == 2
    [failure] = answer.model_extra["heliograph"]["failures"]  # type: ignore[index]
    assert (failure["code"], failure["charged"], failure["job_id"]) == ("budget_exceeded", "no", None)
    with pytest.raises(openai.RateLimitError) as refused:
        client(poor).images.generate(prompt=mark)
    assert refused.value.code == "insufficient_quota"
    assert len(world.tasks(mark)) == 2


def test_a_call_whose_answer_is_lost_is_repeated_by_the_client_and_paid_once(
    world: World, client: Client, mark: str, photo: bytes
) -> None:
    impatient = client(timeout=1, max_retries=12)

    made = impatient.images.with_raw_response.generate(prompt=f"{mark} generated", n=2)
    edited = impatient.images.with_raw_response.edit(image=photo, prompt=f"{mark} edited")

    assert made.retries_taken > 0
    assert edited.retries_taken > 0
    assert len(made.parse().data or []) == 2
    assert len(edited.parse().data or []) == 1
    assert len(world.tasks(f"{mark} generated")) == 2
    assert len(world.tasks(f"{mark} edited")) == 1


def test_a_client_that_numbers_nothing_gives_up_and_calls_again_and_pays_once(world: World, mark: str) -> None:
    # As the AI SDK behind a gateway that gives up, and openai-python 1.30 with a short time-out.
    key = {"Authorization": f"Bearer {world.stack.api_key}"}
    url = world.stack.images_url + GENERATIONS
    body = {"model": "dall-e-3", "prompt": mark, "n": 1, "response_format": "b64_json"}
    world.fault("task", "never_finishes", mark)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, headers=key, json=body, timeout=5)
    wait_until(lambda: world.tasks(mark), seconds=60, what="the first call's task")
    # The first repeat comes while that call has no answer yet; the second soon after it had one, as it was repeated.
    finishing = threading.Timer(10, world.finish, [mark])
    finishing.start()

    # With its fields in another order it is equal all the same.
    for again in (dict(reversed(body.items())), body):
        answer = httpx.post(url, headers=key, json=again, timeout=120)
        assert answer.status_code == 200
        assert answer.json()["heliograph"]["joined"] is True
    assert len(world.tasks(mark)) == 1


def test_equal_jobs_of_the_api_that_wait_at_the_same_time_are_one(world: World, mark: str) -> None:
    body = {"prompt": mark}
    with ThreadPoolExecutor(3) as pool:
        answers = list(
            pool.map(
                lambda _: world.call("POST", "/v1/jobs", json=body, headers={"Prefer": "wait=20"}),
                range(3),
            )
        )

    assert [answer.status_code for answer in answers] == [200] * 3, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(world.tasks(mark)) == 1


def test_the_same_asked_for_twice_is_made_twice(world: World, client: Client, mark: str) -> None:
    answers = [client().images.generate(prompt=mark) for _ in range(2)]

    assert len({(answer.data or [])[0].url for answer in answers}) == 2
    assert len(world.tasks(mark)) == 2


def test_an_idempotency_key_names_the_jobs_for_good(world: World, client: Client, mark: str) -> None:
    named = {"Idempotency-Key": mark}

    answers = [client().images.generate(prompt=mark, n=2, extra_headers=named) for _ in range(2)]

    first, second = ([picture.b64_json for picture in answer.data or []] for answer in answers)
    assert first == second
    assert len(world.tasks(mark)) == 2


def test_what_is_too_large_for_a_function_is_said_by_the_front(client: Client, mark: str) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client().images.edit(image=b"\xff\xd8\xff" + b"x" * 6_000_000, prompt=mark)
    assert refused.value.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/images/edits", 405), ("POST", "/v1/models", 405), ("GET", "/v1/x", 404)]
)
def test_whatever_else_is_called_is_refused_in_the_same_shape(
    world: World, method: str, path: str, status: int
) -> None:
    answer = httpx.request(
        method, world.stack.images_url + path, headers={"Authorization": f"Bearer {world.stack.api_key}"}
    )

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
