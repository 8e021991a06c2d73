"""Pages as the gateway asks for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from heliograph.api.pages import CLOSED, BucketOrigins, Pages, WebPage, playground_policy

ORIGINS = BucketOrigins(uploads="https://u.s3.eu-west-1.amazonaws.com", results="https://r.s3.eu-west-1.amazonaws.com")
PAGES = Pages(
    {
        "/playground": WebPage("<!doctype html>", "text/html; charset=utf-8", playground_policy(ORIGINS)),
        "/playground/app.js": WebPage("export {}", "text/javascript; charset=utf-8"),
    }
)


def asked(
    path: str, *, method: str = "GET", known: str | None = None, resource: str | None = None, file: str | None = None
) -> dict[str, Any]:
    """The answer to a call of that path behind the stage, or behind whatever a custom domain puts before it."""
    return PAGES.answer(
        {
            "httpMethod": method,
            "path": path,
            "resource": resource or ("/playground/{file}" if file else "/playground"),
            "pathParameters": {"file": file} if file else None,
            "headers": {"If-None-Match": known} if known else {},
            "requestContext": {"requestId": "call-1"},
        }
    )


def test_a_page_comes_with_its_type_its_policy_and_a_tag() -> None:
    answer = asked("/playground")
    assert (answer["statusCode"], answer["body"]) == (200, "<!doctype html>")
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert answer["headers"]["Content-Security-Policy"] == playground_policy(ORIGINS)
    assert answer["headers"]["Cache-Control"] == "no-cache"
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
    assert answer["headers"]["Referrer-Policy"] == "no-referrer"


def test_the_files_of_a_page_are_no_documents_and_may_do_nothing() -> None:
    answer = asked("/playground/app.js", file="app.js")
    assert answer["body"] == "export {}"
    assert answer["headers"]["Content-Security-Policy"] == CLOSED


@pytest.mark.parametrize("path", ["/playground", "/pictures/playground"])
def test_a_page_is_found_whatever_a_domain_puts_before_its_path(path: str) -> None:
    assert asked(path)["statusCode"] == 200


@pytest.mark.parametrize("mark", ["{}", "W/{}", '"other", {}'])
def test_whoever_has_the_page_already_gets_no_second_copy(mark: str) -> None:
    etag = asked("/playground")["headers"]["ETag"]
    answer = asked("/playground", known=mark.format(etag))
    assert (answer["statusCode"], answer["body"]) == (304, "")
    assert answer["headers"]["ETag"] == etag


def test_a_changed_page_is_sent_again() -> None:
    assert asked("/playground", known='"of another version"')["statusCode"] == 200


def test_a_page_that_may_do_more_is_another_page() -> None:
    assert WebPage("same", "text/html").etag != WebPage("same", "text/html", "default-src *").etag


def test_head_has_the_headers_and_no_body() -> None:
    full, head = asked("/playground"), asked("/playground", method="HEAD")
    assert head == {**full, "body": ""}


def test_a_slash_too_many_leads_to_the_page_from_where_its_links_are_right() -> None:
    answer = asked("/playground/")
    assert (answer["statusCode"], answer["headers"]["Location"]) == (308, "../playground")


@pytest.mark.parametrize("file", ["other.js", "..", "index.html", "{file}", "%2e%2e%2fapp.py"])
def test_what_is_not_there_is_a_problem(file: str) -> None:
    answer = asked(f"/playground/{file}", file=file)
    assert answer["statusCode"] == 404
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/problem+json"]
    assert json.loads(answer["body"])["code"] == "not_found"


def test_the_playground_may_reach_its_api_and_the_two_buckets_and_nothing_else() -> None:
    policy = dict(part.strip().split(" ", 1) for part in playground_policy(ORIGINS).split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' blob: {ORIGINS.results}",
        "connect-src": f"'self' {ORIGINS.uploads}",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
