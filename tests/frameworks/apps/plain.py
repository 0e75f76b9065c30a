"""ASGI without a framework: lifespan state, an echo and an echoing WebSocket."""


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["greeting"] = b"hello"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})
    else:
        body = scope["state"]["greeting"]
        more = True
        while more:
            event = await receive()
            body += event["body"]
            more = event["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-scheme", scope["scheme"].encode())]})
        await send({"type": "http.response.body", "body": body})
