"""ASGI 2: called with the scope, then with receive and send."""


class app:
    def __init__(self, scope):
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        self.path = scope["path"]

    async def __call__(self, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": self.path.encode()})
