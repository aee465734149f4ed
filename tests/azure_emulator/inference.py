"""`https://{endpoint}.{region}.inference.ml.azure.com`: who may ask, which deployment answers, and how Azure says no.

Statuses as documented in "Troubleshoot online endpoints": 401 a wrong key, 404 no deployment with traffic, 408 longer
than the deployment's timeout, 424 the container itself answered no 200, 429 more than twice its concurrency.
"""

from __future__ import annotations

import http.client
import json
import random
import re
from collections.abc import Iterator
from typing import Any

from tests.azure_emulator import arm
from tests.azure_emulator.endpoints import serving
from tests.azure_emulator.model_servers import ModelServer
from tests.azure_emulator.wire import Reply, Request, routes
from tests.azure_emulator.world import World

HOST = r"(?P<name>[a-z0-9-]+)\.(?P<region>[a-z0-9]+)\.inference\.ml\.azure\.com"
GUIDE = "https://docs.microsoft.com/en-us/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes"


def _no(status: int, word: str, **headers: str) -> Reply:
    """Azure's gateway answers in plain text."""
    text = f"{word}\nPlease check this guide to understand why this error code has been returned \n{GUIDE}\n"
    return Reply(status, text, {name.replace("_", "-"): value for name, value in headers.items()})


@routes.on(HOST, "GET|POST", r"/.*", anonymous=True)
def ask(request: Request, world: World) -> Reply:
    name = request.host.partition(".")[0]
    found = next((key for key in world.arm if key.endswith(f"/onlineendpoints/{name}")), None)
    endpoint = world.get(found) if found else None
    if endpoint is None or found is None:
        return _no(404, "not_found")
    if not _may_ask(request, world, endpoint):
        return _no(401, "key_auth_access_denied", WWW_Authenticate="Bearer")
    chosen = _choose(request, world, endpoint)
    if isinstance(chosen, Reply):
        return chosen
    key = chosen["id"].lower()
    settings = chosen["properties"].get("requestSettings") or {}
    most = 2 * int(settings.get("maxConcurrentRequestsPerInstance") or 1) * int(chosen["sku"]["capacity"])
    table = serving(world)
    with world.lock:
        if table.busy.get(key, 0) >= most:
            return _no(429, "too_many_pending_requests", Retry_After="1")
        table.busy[key] = table.busy.get(key, 0) + 1
    is_streaming = False
    try:
        slow = world.faults.take("slow", request)
        if slow is not None and slow.seconds >= _seconds(settings.get("requestTimeout")):
            return _no(408, "upstream_request_timeout")  # at once: nobody wants to wait three minutes for it
        if key in table.echoing:
            return _echo(request, chosen)
        reply = _pass_on(request, table.servers.get(key), chosen, settings)
        if reply.is_stream:
            is_streaming = True
            reply.body = _until_done(reply.body, table.busy, key)
        return reply
    finally:
        if not is_streaming:
            table.busy[key] -= 1


def _until_done(parts: Iterator[bytes], busy: dict[str, int], key: str) -> Iterator[bytes]:
    try:
        yield from parts
    finally:
        busy[key] -= 1


def _may_ask(request: Request, world: World, endpoint: dict[str, Any]) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if endpoint["properties"].get("authMode") == "Key":
        return given in serving(world).keys[endpoint["id"].lower()].values()
    return world.login.access.get(given, 0.0) > world.now()


def _choose(request: Request, world: World, endpoint: dict[str, Any]) -> dict[str, Any] | Reply:
    """The deployment that a header names, else one by the shares of traffic."""
    there = {kept["name"]: kept for kept in arm.children(world, f"{endpoint['id']}/deployments")}
    wanted = request.headers.get("azureml-model-deployment")
    if wanted:
        return there[wanted] if wanted in there else _no(404, "specified_deployment_could_not_be_found")
    shares = {name: share for name, share in (endpoint["properties"].get("traffic") or {}).items() if share}
    if not shares:
        return _no(404, "no_deployment_with_positive_traffic_weight")
    return there[random.choices(list(shares), list(shares.values()))[0]]


def _pass_on(request: Request, server: ModelServer | None, chosen: dict[str, Any], settings: dict[str, Any]) -> Reply:
    if server is None or not server.is_alive() or not server.port:
        return _no(503, "no_healthy_upstream")
    if server.kind == "mlflow" and request.path not in ("/score", "/"):
        return _model_error(404, b'{"detail": "Not Found"}', "Not Found")
    if server.kind == "container" and request.path == "/score":
        return _model_error(404, b'{"detail": "Not Found"}', "Not Found")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_seconds(settings.get("requestTimeout")))
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    headers |= {"Accept": request.headers.get("accept", "*/*")}
    try:
        connection.request(request.method, request.path, request.body or None, headers)
        answer = connection.getresponse()
        kind = answer.getheader("Content-Type") or "application/json"
        told = {"azureml-model-deployment": chosen["name"], "Content-Type": kind}
        if kind.startswith("text/event-stream"):
            return Reply(answer.status, _pieces(connection, answer), told)
        body = answer.read()
    except TimeoutError:
        return _no(408, "upstream_request_timeout")
    except OSError:
        return _no(503, "upstream_connect_error")
    if answer.status != 200:
        return _model_error(answer.status, body, answer.reason)
    return Reply(200, json.loads(body), told)


def _model_error(status: int, body: bytes, reason: str) -> Reply:
    """The container's own words, under Azure's status."""
    headers = {"ms-azureml-model-error-statuscode": str(status), "ms-azureml-model-error-reason": reason}
    return Reply(424, json.loads(body) if body else None, headers)


def _pieces(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while part := answer.read1(65536):
            yield part
    finally:
        connection.close()


def _seconds(duration: str | None) -> float:
    """Of "PT180S" or "PT3M"; Azure's own default is five seconds."""
    parts = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", duration or "PT5S")
    assert parts is not None, duration
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return 3600 * hours + 60 * minutes + seconds


def _echo(request: Request, chosen: dict[str, Any]) -> Reply:
    """Without a model, in each contract: "<deployment> heard: <the last message>"."""
    body = request.json
    told = {"azureml-model-deployment": chosen["name"]}
    if "messages" in body:
        text = f"{chosen['name']} heard: {body['messages'][-1]['content']}"
        head = {"id": "chatcmpl-echo", "created": 0, "model": body.get("model", "")}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if body.get("stream"):
            return Reply(200, _echo_events(head, text), told | {"Content-Type": "text/event-stream"})
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return Reply(200, head | {"object": "chat.completion", "choices": [choice], "usage": usage}, told)
    data = body.get("input_data")
    if isinstance(data, str):  # a published flow
        return Reply(200, {"answer": f"{chosen['name']} heard: {data}"}, told)
    if isinstance(data, dict):
        return Reply(200, {"output": f"{chosen['name']} heard: {data['input_string'][-1]['content']}"}, told)
    if isinstance(data, str):  # a published flow
        return Reply(200, {"answer": f"{chosen['name']} heard: {data}"}, told)
    last = data[-1]["content"] if isinstance(data[-1], dict) else data[-1]
    return Reply(200, [f"{chosen['name']} heard: {last}"], told)


def _echo_events(head: dict[str, Any], text: str) -> Iterator[bytes]:
    for word in re.findall(r"\S+\s*", text):
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        yield b"data: " + json.dumps(head | {"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield b"data: " + json.dumps(head | {"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"
