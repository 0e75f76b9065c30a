"""Django over ASGI: a view, a form, a StreamingHttpResponse, and a WebSocket of channels."""

import asyncio

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="a secret of the tests",
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.gzip.GZipMiddleware"],
    SECURE_PROXY_SSL_HEADER=None,
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


async def hello(request, name):
    return JsonResponse({"path": request.path, "query": request.GET.dict(), "secure": request.is_secure()})


def threaded(request):
    return HttpResponse(f"{request.method} {len(request.body)}")


async def stream(request):
    async def numbers():
        for number in range(50):
            await asyncio.sleep(0)
            yield f"{number},"

    return StreamingHttpResponse(numbers(), content_type="text/event-stream")


urlpatterns = [
    path("hello/<str:name>", hello),
    path("threaded", threaded),
    path("stream", stream),
]


class Consumer(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content, **kwargs):
        await self.send_json({"consumer": content})


class Member(AsyncWebsocketConsumer):
    groups = ("room",)

    async def connect(self):
        await self.accept()
        await self.send("welcome")

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("room", {"type": "said", "text": text_data})

    async def said(self, event):
        await self.send(event["text"])


websockets = URLRouter([path("ws", Consumer.as_asgi()), path("room", Member.as_asgi())])
app = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websockets})
