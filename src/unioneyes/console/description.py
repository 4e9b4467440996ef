"""The API's own description (OpenAPI 3.1): what FastAPI reads from the routes, and what holds for all of them, said once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastapi.routing import APIRoute
from pydantic import JsonValue

from unioneyes.console.failures import FAILURES, Failing
from unioneyes.console.fields import document_fields
from unioneyes.console.forgery import PAGE_TOKEN, SAFE_METHODS
from unioneyes.console.guard import BEARER, PROBLEM_JSON, SESSION_COOKIE
from unioneyes.kernel.problems import ProblemDocument
from unioneyes.runbook.views import API_VERSION

Object = dict[str, JsonValue]

PREFIX = f"/api/{API_VERSION}"
SESSION, PAGE = "session", "page"
VERSIONED = "Versioned"
DURATION: dict[str, JsonValue] = {
    "pattern": r"^-?P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$",
    "examples": ["PT1.5S", "P1DT12H"],
    "$comment": "ISO 8601; a year has 365 days",
}
_UNSAID = "Successful Response"
"""What FastAPI writes where nobody says more."""
TAGS = {
    "runs": "Every change is a run of a runbook: started, followed by its journal, decided in, cancelled.",
    "runbooks": "What can be run: built in, and the project's own.",
    "approvals": "Runs that wait for others to say yes.",
    "deployments": "What is deployed and is being deployed, and the numbers behind each verdict.",
    "app": "The service's pods: how they stand, what they log, the way into one.",
    "edge": "How much each client's address may ask, and who is kept out.",
    "database": "What the operated database does: its sessions, queries and locks, and what is slow.",
    "migrations": "What was applied to the schema, and what a release lacks.",
    "backups": "Backups of the operated database, and how each was proven.",
    "recovery": "How the database's log is kept, what can be recovered to, and what would be lost with the primary.",
    "rollback": "The ways back, as they are open now.",
    "releases": "What can be deployed.",
    "traffic": "The routes, and both colours second by second.",
    "smoke": "The service's end-to-end flows.",
    "freezes": "What holds changes: the calendar.",
    "line": "What holds changes: somebody who stopped the line.",
    "lock": "Who holds the service.",
    "environment": "What does not change while the environment runs.",
    "audit": "Who did what, when and why, and the proof that nobody changed it since.",
    "tokens": "Who may come in.",
    "me": "Who asks.",
    "healthz": "Whether the server answers.",
}
"""What each first word of a path is about, in the order in which the description shows them."""
PARAMETERS = {
    "run_id": "The run, by its id",
    "name": "Whose token",
    "pod": "The pod, by its name",
    "app": "Of applications of this name alone; * stands for anything",
    "user": "Of this role alone",
    "database": "In this database alone",
    "state": "That do this alone",
    "version": "The release; the newest one when not given",
    "backup": "The backup, by its name",
    "colour": "Of the pods of this colour alone",
    "previous": "What each pod logged before it was started again",
    "since": "What was logged from this moment on",
    "index": "The entry's place in the log",
    "before": "The last one of the page before",
    "limit": "At most so many",
    "runbook": "Runs of this runbook alone",
    "status": "Runs that have this status alone",
    "run": "What tells of this run alone",
    "after": "The last line that is known already",
    "wait": "Seconds",
    "last": "Seconds",
    "over": "What takes longer is slow; seconds",
    "reason": "One of the document's triggers",
    "last-event-id": "The last line that is known already",
}
"""What the parameters mean, whatever route takes them."""
SCHEMES: dict[str, JsonValue] = {
    SESSION: {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "What a browser got when its person signed in at `/login`."},
    PAGE: {
        "type": "apiKey",
        "in": "header",
        "name": PAGE_TOKEN,
        "description": "A change by a session also carries the token of the console's page that asks for it, and comes from this server's own origin.",
    },
}
"""How one comes in beside the bearer token, which the guard describes itself."""


def operation_id(route: APIRoute) -> str:
    """Return what programs call the operation: the name of the function that answers it."""
    return route.name


def describe(document: Object, routes: Sequence[APIRoute]) -> None:
    """`document`, as FastAPI made it of `routes`, says how one comes in, what may be answered instead, and what each field means."""
    parts = _object(document["components"])
    used: set[str] = set()
    for path, method, operation in _operations(document):
        word = path.removeprefix(PREFIX).split("/")[1]
        used.add(word)
        operation["tags"] = [word]
        operation["summary"] = str(operation["operationId"]).replace("_", " ").capitalize()
        operation["security"] = _ways_in(method, operation.get("security", []))
        _explain_parameters(_list(operation.get("parameters", [])))
        _share_problems(_object(operation["responses"]))
        _say_what_is_returned(_object(operation["responses"]), str(operation["description"]))
    parts["responses"] = {failing.name: _shared(failing) for failing in FAILURES.values()}
    _object(parts["securitySchemes"]).update(SCHEMES)
    schemas = _object(parts["schemas"])
    document_fields(schemas, routes)
    _object(schemas["JsonValue"])["description"] = "Any JSON value"
    schemas[VERSIONED] = {
        "title": VERSIONED,
        "type": "object",
        "required": ["api"],
        "properties": {"api": {"type": "string", "const": API_VERSION, "description": "The version of the API that this object belongs to."}},
    }
    for schema in (*schemas.values(), document["paths"]):
        _correct_durations(schema)
    about = {word: TAGS.get(word, "") for word in (*TAGS, *sorted(used)) if word in used}
    document["tags"] = [{"name": word, "description": says} for word, says in about.items()]


def _correct_durations(schema: JsonValue) -> None:
    """A duration is described as it is written: JSON Schema's own format of this name (RFC 3339, appendix A) has no fractions of a second."""
    if isinstance(schema, dict):
        if schema.get("format") == "duration":
            del schema["format"]
            schema |= DURATION
        for each in schema.values():
            _correct_durations(each)
    elif isinstance(schema, list):
        for each in schema:
            _correct_durations(each)


def _operations(document: Object) -> Iterator[tuple[str, str, Object]]:
    for path, ways in _object(document["paths"]).items():
        for method, operation in _object(ways).items():
            yield path, method, _object(operation)


def _ways_in(method: str, asked: JsonValue) -> list[JsonValue]:
    """Return each way in, with the right that it takes: by the bearer token, or by a session, whose changes come from a page. None where nobody is asked."""
    if not isinstance(asked, list) or not asked:
        return []
    rights = [right for each in asked for right in _list(_object(each)[BEARER])]
    session: Object = {SESSION: [*rights]}
    return [{BEARER: [*rights]}, session if method.upper() in SAFE_METHODS else session | {PAGE: []}]


def _explain_parameters(parameters: list[JsonValue]) -> None:
    for parameter in map(_object, parameters):
        if known := PARAMETERS.get(str(parameter["name"])):
            parameter.setdefault("description", known)


def _share_problems(responses: Object) -> None:
    for status in responses:
        if status.isdecimal() and int(status) in FAILURES:
            responses[status] = {"$ref": f"#/components/responses/{FAILURES[int(status)].name}"}


def _shared(failing: Failing) -> Object:
    headers: Object = {name: {"required": True, "schema": schema} for name, schema in failing.headers.items()}
    answer: Object = {"description": failing.means, "content": {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}}}}
    return answer | ({"headers": headers} if headers else {})


def _say_what_is_returned(responses: Object, does: str) -> None:
    """The answer is described by what the operation does. Each object that is answered says its version: `VersionedJson` writes it."""
    for answer in map(_object, responses.values()):
        if answer.get("description") == _UNSAID:
            answer["description"] = does
        content = _object(answer.get("content", {}))
        schema = content.get("application/json", {})
        if isinstance(schema, dict) and isinstance(schema.get("schema"), dict):
            schema["schema"] = _versioned(_object(schema["schema"]))


def _versioned(schema: Object) -> Object:
    if "anyOf" in schema:
        return {"anyOf": [_versioned(_object(each)) for each in _list(schema["anyOf"])]}
    return {"allOf": [{"$ref": str(schema["$ref"])}, {"$ref": f"#/components/schemas/{VERSIONED}"}]} if "$ref" in schema else schema


def _object(value: JsonValue) -> Object:
    if not isinstance(value, dict):
        raise TypeError(type(value).__name__)
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise TypeError(type(value).__name__)
    return value
