"""docs/openapi.json is what the types say, is valid, names every route, and is what a dashboard really answers."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import validate
from starlette.routing import Route

from dashboard.api.alerts import alerts
from dashboard.api.openapi import document
from dashboard.api.routes import OPERATIONS
from dashboard.config import DashboardConfig
from dashboard.history import MAX_ALERTS
from dashboard.http import Api
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.servers import free_port, wait_until

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads(json.dumps(document(OPERATIONS)))
JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
Start = Callable[..., Running]


def test_the_file_is_in_step_with_the_types() -> None:
    spec = importlib.util.spec_from_file_location("api_docs", ROOT / "scripts" / "api_docs.py")
    assert spec
    assert spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.OPENAPI.read_text(encoding="utf-8") == generator.openapi(), "run: python scripts/api_docs.py"


def test_it_is_valid_and_its_names_are_unique() -> None:
    validate(DOCUMENT)
    names = [method["operationId"] for path in DOCUMENT["paths"].values() for method in path.values()]
    assert len(set(names)) == len(names)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_route_is_in_it() -> None:
    config: Any = DashboardConfig(redis_url="redis://127.0.0.1:1/0")
    nothing: Any = None
    app = Api(config, nothing, nothing, nothing).app()
    served = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert served - described == {("/", "get")}  # the page
    assert described <= served


def test_every_operation_is_on_the_page_for_people() -> None:
    rows = [line for line in (ROOT / "docs" / "rest.md").read_text().splitlines() if line.startswith("|")]
    for text in (alerts.__doc__ or "", (ROOT / "docs" / "rest.md").read_text()):
        assert f"{MAX_ALERTS:,}" in text
    for operation in OPERATIONS:
        assert any(f"`{operation.path}`" in row and operation.method in row for row in rows), operation.path


def check(answer: httpx.Response, path: str, method: str = "get") -> None:
    """The answer's status, type and body are described."""
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, (path, answer.status_code, answer.text)
    content = responses[str(answer.status_code)].get("content")
    if content is None:
        assert answer.content == b""
        return
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in content, (path, kind)
    if "schema" in content[kind]:
        schema = {**content[kind]["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(answer.json())


def test_a_wrong_answer_would_be_noticed() -> None:
    wrong = httpx.Response(200, json={"bus": "fine", "cameras": []})
    with pytest.raises(ValidationError):
        check(wrong, "/api/v1/cameras")


def test_real_answers_are_as_described(dashboard: Start, feed: Feed) -> None:
    feed.camera("door")
    feed.camera("yard", "unauthorised", error="401", faces=0)
    feed.score("door", 0.9)
    feed.service("worker", busy=0.5)
    feed.alert("a1", started=time.time() - 60)
    feed.alert("a2", kind="offline", track="", score=None, peak=None, mean=None, threshold=None, model="")
    feed.alert("a3", "end")
    feed.all_evidence("a1", [JPEG, JPEG])
    feed.evidence("a3", [JPEG])
    feed.bus.set(feed.keys.preview("door"), JPEG)
    one = dashboard().synced()
    wait_until(lambda: one.hub.system.services, 15, "the survey is done")
    v1 = "/api/v1"
    alert = f"{v1}/alerts/{{id}}"
    post: list[tuple[str, dict[str, str], Any]] = [
        (f"{alert}/verdict", {"id": "a1"}, {"verdict": "confirmed", "note": "seen"}),
        (f"{alert}/verdict", {"id": "a1"}, {"verdict": "maybe"}),
        (f"{alert}/verdict", {"id": "none"}, {"verdict": "none"}),
        (f"{v1}/cameras/{{name}}/snooze", {"name": "door"}, {"minutes": 5}),
        (f"{v1}/cameras/{{name}}/snooze", {"name": "none"}, {"minutes": 5}),
        (f"{v1}/snooze", {}, {"minutes": 5.5}),
        (f"{v1}/snooze", {}, {"minutes": 0}),
        (f"{v1}/login", {}, {"name": "anna", "password": "wrong"}),
        (f"{v1}/login", {}, {"name": "anna"}),
    ]
    for path, names, body in post:
        check(httpx.post(one.http + path.format(**names), json=body), path, "post")
        check(httpx.post(one.http + path.format(**names), data={"a": "b"}), path, "post")
        strange = httpx.post(one.http + path.format(**names), json=body, headers={"origin": "http://evil.example"})
        assert strange.status_code == 403
        check(strange, path, "post")
    asked = {(path, "post") for path, _, _ in post}
    for path, methods in DOCUMENT["paths"].items():
        for method in set(methods) - {"post"}:
            for id in ("a1", "a2", "a3", "none"):
                for name in ("door", "yard", "none"):
                    url = one.http + path.format(id=id, name=name, n="0")
                    answer = httpx.request(method, url)
                    check(answer, path, method)
                    asked.add((path, method))
                    if method == "get" and "etag" in answer.headers and path.startswith(v1):
                        check(httpx.get(url, headers={"if-none-match": answer.headers["etag"]}), path)
    for range in ("bytes=0-3", "bytes=99999-"):
        check(httpx.get(f"{one.http}{v1}/alerts/a1/evidence/clip.mp4", headers={"range": range}),
              f"{alert}/evidence/clip.mp4")  # fmt: skip
    for query in ("?review=confirmed", "?kind=offline&kind=spike", "?limit=0", "?limit=1"):
        check(httpx.get(f"{one.http}{v1}/alerts{query}"), f"{v1}/alerts")
    assert asked == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}


def test_refusals_are_as_described(dashboard: Start) -> None:
    locked = dashboard(token="s3cret")
    lost = dashboard(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    for path, methods in DOCUMENT["paths"].items():
        for method in methods:
            if path.startswith("/api") and not path.endswith("/login"):
                answer = httpx.request(method, locked.http + path, json={"minutes": 5})
                assert answer.status_code == 401
                check(answer, path, method)
    for path in ("/api/v1/cameras/{name}/preview.jpg", "/api/v1/alerts/{id}", "/readyz"):
        answer = httpx.get(lost.http + path, timeout=20)
        assert answer.status_code == 503
        check(answer, path)


def test_it_is_served(dashboard: Start) -> None:
    one = dashboard()
    answer = httpx.get(f"{one.http}/api/v1/openapi.json")
    assert answer.json() == DOCUMENT
    again = httpx.get(f"{one.http}/api/v1/openapi.json", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
