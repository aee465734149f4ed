"""The HTTP face of an endpoint: OpenAI's chat completions and Azure ML's scoring contracts, behind a key."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.local.engine import Engine, EngineError, Piece, Sampling
from backend.local.request_bodies import RequestError, read_chat, read_score

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
BODY_LIMIT = 4 * 1024 * 1024
BUSY_LIMIT = 64
"""Requests answered or waiting at once; more are told to come again."""
Result = TypeVar("Result")
KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "server_error"}


def error(status: int, message: str, code: str, param: str = "", **headers: str) -> JSONResponse:
    """In OpenAI's form."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    body = {"error": {"message": message, "type": kind, "param": param or None, "code": code}}
    return JSONResponse(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


class Gate:
    """Only callers on this computer who have the key, and only bodies of a sane size, get further."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self.key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name: value for name, value in reversed(scope["headers"])}
        refusal = self._refusal(scope["path"], headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> JSONResponse | None:
        host = headers.get(b"host", b"").decode("latin-1")
        name = host if host.endswith("]") else host.rsplit(":", 1)[0]
        # A web page that made its own name point at this computer (DNS rebinding) sends that name.
        if name.lower() not in LOOPBACK_NAMES:
            return error(400, "This endpoint answers on this computer only.", "bad_host", "Host")
        if path == "/health":
            return None
        given = headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self.key):
            message = "Send the endpoint's key as `Authorization: Bearer <key>`."
            return error(401, message, "invalid_api_key", WWW_Authenticate="Bearer")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > BODY_LIMIT:
            return _too_large()
        return None


def _too_large() -> JSONResponse:
    return error(413, f"The body is larger than {BODY_LIMIT // 1024**2} MiB.", "body_too_large")


async def read_body(request: Request) -> Any:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_LIMIT:
            raise RequestError(f"The body is larger than {BODY_LIMIT // 1024**2} MiB.", "", 413, "body_too_large")
    try:
        return json.loads(data)
    except ValueError as mistake:
        raise RequestError(f"The body is not JSON: {mistake}.", "", 400, "bad_json") from None


class CallerLeftError(Exception):
    """The caller went away before the answer was complete."""


class Front:
    def __init__(self, engine: Engine, model: str, other_names: Collection[str] = ()) -> None:
        """`other_names`: what callers may call it too, such as the model that answered here before."""
        self.engine = engine
        self.model = model
        self.names = frozenset({model, *other_names})
        self.created = int(time.time())

    def app(self, key: str) -> ASGIApp:
        routes = [
            Route("/health", self.health, methods=["GET"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/chat/completions", guarded(self.chat), methods=["POST"]),
            Route("/score", guarded(self.score), methods=["POST"]),
        ]
        app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
        app.router.redirect_slashes = False
        return Gate(app, key)

    async def health(self, _request: Request) -> Response:
        fatal = self.engine.fatal_error()
        if fatal is not None:
            return error(503, f"The engine is dead: {fatal}", "engine_dead")
        return JSONResponse({"status": "ok", "model": self.model})

    async def models(self, _request: Request) -> Response:
        entry = {"id": self.model, "object": "model", "created": self.created, "owned_by": "phidesk"}
        return JSONResponse({"object": "list", "data": [entry]})

    def _prepare(self, messages: list[dict[str, str]], sampling: Sampling) -> tuple[list[int], Sampling]:
        """The prompt's tokens, and as many tokens for the answer as the model can still hold."""
        prompt = self.engine.encode(messages)
        if len(prompt) >= self.engine.context:
            raise RequestError(
                f"The conversation has {len(prompt)} tokens; this model takes at most {self.engine.context - 1}, "
                "so that one is left for the answer. Shorten it or begin a new one.",
                "messages",
                code="context_length_exceeded",
            )
        room = self.engine.context - len(prompt)
        limited = Sampling(min(sampling.max_tokens, room), sampling.temperature, sampling.top_p, sampling.stop)
        return prompt, limited

    def _check_busy(self, more: int = 1) -> None:
        if self.engine.busy + more > BUSY_LIMIT:
            raise RequestError("Too many requests at once; try again in a moment.", "", 429, "too_many_requests")

    async def chat(self, request: Request) -> Response:
        asked = read_chat(await read_body(request), self.names)
        self._check_busy()
        prompt, sampling = self._prepare(asked.messages, asked.sampling)
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": self.model}
        if asked.is_stream:
            pieces = self.engine.answer(prompt, sampling)
            events = self._events(pieces, head, len(prompt), asked.has_usage)
            return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        text, tokens, reason = await unless_left(request, self._whole(prompt, sampling))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        return JSONResponse(
            head | {"object": "chat.completion", "choices": [choice], "usage": _usage(len(prompt), tokens)}
        )

    async def score(self, request: Request) -> Response:
        asked = read_score(await read_body(request))
        self._check_busy(len(asked.conversations))
        prepared = [self._prepare(messages, asked.sampling) for messages in asked.conversations]
        answers = await unless_left(request, asyncio.gather(*(self._whole(*one) for one in prepared)))
        texts = [text for text, _tokens, _reason in answers]
        if asked.is_foundry:
            return JSONResponse({"output": texts[0]})
        return JSONResponse([prefix + text for prefix, text in zip(asked.prefixes, texts, strict=True)])

    async def _whole(self, prompt: list[int], sampling: Sampling) -> tuple[str, int, str]:
        text, tokens, reason = "", 0, "stop"
        async with contextlib.aclosing(self.engine.answer(prompt, sampling)) as pieces:
            async for piece in pieces:
                text, tokens, reason = text + piece.text, piece.tokens, piece.finish_reason or reason
        return text, tokens, reason

    async def _events(
        self, pieces: AsyncGenerator[Piece], head: dict[str, Any], prompt: int, has_usage: bool
    ) -> AsyncIterator[str]:
        def event(delta: dict[str, str], reason: str | None = None, **more: Any) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            body = head | {"object": "chat.completion.chunk", "choices": [choice]} | more
            return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

        yield event({"role": "assistant", "content": ""})
        async with contextlib.aclosing(pieces):
            try:
                async for piece in pieces:
                    if piece.text:
                        yield event({"content": piece.text})
                    if piece.finish_reason:
                        yield event({}, piece.finish_reason)
                        if has_usage:
                            yield event({}, choices=[], usage=_usage(prompt, piece.tokens))
            except EngineError as failure:
                # The status line is long gone: an error event is the only way left to say it.
                body = {"error": {"message": str(failure), "type": "server_error", "code": "engine_failed"}}
                yield f"data: {json.dumps(body)}\n\n"
                return
        yield "data: [DONE]\n\n"


def _usage(prompt: int, answer: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


async def unless_left(request: Request, work: Awaitable[Result]) -> Result:
    """The work's result. When the caller goes away first, it is dropped and its place freed (CallerLeftError)."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_left(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise CallerLeftError
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


Handler = Callable[[Request], Awaitable[Response]]


def guarded(handler: Handler) -> Handler:
    """Turns what can go wrong in a request into its answer."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except RequestError as mistake:
            headers = {"Retry_After": "1"} if mistake.status == 429 else {}
            return error(mistake.status, str(mistake), mistake.code, mistake.param, **headers)
        except EngineError as failure:
            return error(503, f"The model could not answer: {failure}", "engine_failed")
        except CallerLeftError:
            return Response(status_code=499)

    return handle


async def _http_error(_request: Request, exception: Exception) -> Response:
    status = exception.status_code if isinstance(exception, HTTPException) else 500
    if status == 405:
        return error(405, "This method is not allowed here.", "method_not_allowed")
    return error(404, "There is nothing here.", "not_found")
