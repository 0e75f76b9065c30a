"""The application of the HTTP/2 tests; the path says what it does."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.ws_apps import echo

PIECES = 20
# Chromium streams the body of a request over HTTP/2 only.
PAGE = b"""<!doctype html><title>test</title><script>
const text = new TextEncoder(), pause = () => new Promise(done => setTimeout(done, 20));
const seen = [];
async function upload() {
    const pieces = [..."abcdefgh"];
    const body = new ReadableStream({async pull(controller) {
        await pause();
        if (pieces.length) controller.enqueue(text.encode(pieces.shift().repeat(20000)));
        else controller.close();
    }});
    const answer = await fetch("/echo", {method: "POST", body, duplex: "half"});
    seen.push((await answer.text()).length);
}
function talk(number) {
    return new Promise(done => {
        const socket = new WebSocket(`wss://${location.host}/ws`);
        const heard = [];
        socket.onopen = () => { socket.send("x".repeat(100000)); socket.send(`number ${number}`); };
        socket.onmessage = event => {
            heard.push(event.data);
            if (heard.length === 2) socket.close(4000 + number, "enough");
        };
        socket.onclose = event => {
            const extension = socket.extensions.split(";")[0];
            seen.push([extension, heard[0].length, heard[1], event.code, event.reason, event.wasClean].join());
            done();
        };
    });
}
async function all() {
    await upload();
    for (let number = 1; number < 4; number++) await talk(number);
    await Promise.all([4, 5, 6].map(talk)).then(() => seen.push("together"));
    const denied = new WebSocket(`wss://${location.host}/refused`);
    denied.onclose = event => { seen.push(event.code); fetch("/report/" + encodeURIComponent(seen.join("|"))); };
}
all().catch(error => fetch("/report/" + encodeURIComponent(error)));
</script>"""


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        if scope["path"] == "/refused":
            await send({"type": "websocket.close"})
        else:
            await echo(scope, receive, send)
        return
    if scope["type"] != "http":
        return
    if scope["path"] == "/page":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": PAGE})
        return
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if scope["path"] == "/echo":
        await send(start)
        while True:
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
            if not message["more_body"]:
                break
    elif scope["path"] == "/stream":
        await send(start)
        for i in range(PIECES):
            await send({"type": "http.response.body", "body": b"%d\n" % i, "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body"})
    elif scope["path"] == "/endless":
        await send(start)
        print("an endless answer begins", flush=True)
        while True:
            await send({"type": "http.response.body", "body": b"and on", "more_body": True})
            await asyncio.sleep(0.1)
    else:
        said = f"{scope['http_version']} {scope['scheme']} {scope['client'] and scope['client'][0]} {scope['path']}"
        await send(start)
        await send({"type": "http.response.body", "body": said.encode()})
