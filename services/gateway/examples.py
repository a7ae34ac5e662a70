"""What does each operation look like when it is asked and answered? Examples for the document, made of its schemas."""

from collections.abc import Mapping
from typing import Any, Final

from shared.platform.api_page import example_of
from shared.platform.problems import CONTENT_TYPE, Code, code_of, responses

_JSON: Final = "application/json"
_TEXT: Final = {"type": "string"}
_RATE_HEADERS: Final = {
    "RateLimit-Policy": {"description": "`q` requests in `w` seconds", "schema": _TEXT, "example": '"key";q=10;w=10'},
    "RateLimit": {"description": "`r` left, whole in `t` seconds", "schema": _TEXT, "example": '"key";r=9;t=1'},
}
_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same request again has no second effect, and gets the first answer again",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_EVERYWHERE: Final = (Code.NOT_ACCEPTABLE, Code.TOO_MANY_REQUESTS, Code.UNAVAILABLE)
"""What any operation under /v1 may answer, whatever its route says."""


def add_examples(document: dict[str, Any]) -> None:
    """Give every body of the document an example, and every operation the problems that any may answer."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            if path.startswith("/v1/"):
                _add_common(answers)
            if path.startswith("/v1/") and method == "post" and not _has_key(operation):
                operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY]
                answers.setdefault("422", responses(422)[422])
            _exemplify(operation.get("requestBody", {}), document)
            for status, answer in answers.items():
                _exemplify(answer, document)
                _exemplify_problem(status, answer)


def _has_key(operation: Mapping[str, Any]) -> bool:
    return any(one["name"] == _IDEMPOTENCY["name"] for one in operation.get("parameters", []))


def _add_common(answers: dict[str, Any]) -> None:
    common = responses(*(code.status for code in _EVERYWHERE))
    for code in _EVERYWHERE:
        answers.setdefault(str(code.status), dict(common[code.status]))
    answers[str(Code.TOO_MANY_REQUESTS.status)]["headers"] = {"Retry-After": {"schema": _TEXT}, **_RATE_HEADERS}
    for status, answer in answers.items():
        if status.startswith("2"):
            answer["headers"] = {**answer.get("headers", {}), **_RATE_HEADERS}


def _exemplify(holder: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    content = holder.get("content", {}).get(_JSON)
    if content is not None and "example" not in content and content.get("schema"):
        content["example"] = example_of(content["schema"], document)


def _exemplify_problem(status: str, answer: Mapping[str, Any]) -> None:
    content = answer.get("content", {}).get(CONTENT_TYPE)
    if content is not None:
        code = code_of(int(status))
        content["example"] = {"type": code.type, "title": code.title, "status": code.status, "detail": ""}
