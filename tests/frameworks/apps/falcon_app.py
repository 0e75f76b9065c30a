"""Falcon: media, a stream of the request, server-sent events, a WebSocket."""

import falcon.asgi


class Echo:
    async def on_post(self, request, response):
        response.media = {"got": await request.get_media()}

    async def on_put(self, request, response):
        total = 0
        async for piece in request.stream:
            total += len(piece)
        response.text = str(total)

    async def on_websocket(self, request, socket):
        await socket.accept()
        try:
            while True:
                await socket.send_text("falcon " + await socket.receive_text())
        except falcon.WebSocketDisconnected:
            pass


class Events:
    async def on_get(self, request, response):
        async def emit():
            for number in range(3):
                yield falcon.asgi.SSEvent(text=str(number))

        response.sse = emit()


app = falcon.asgi.App()
app.add_route("/echo", Echo())
app.add_route("/events", Events())
