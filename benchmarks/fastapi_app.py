"""The FastAPI application of the ``fastapi`` workload: a path parameter, a query parameter, a model as the answer."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    """What the one endpoint answers."""

    number: int
    name: str
    tags: list[str]


@app.get("/items/{number}")
async def read_item(number: int, name: str = "lamp") -> Item:
    """Answer a small JSON object."""
    return Item(number=number, name=name, tags=["new", "blue"])


@app.post("/items")
async def take_item(item: Item) -> Item:
    """Read a small JSON object, check it and answer it."""
    return item
