"""An ASGI worker class for gunicorn: ``gunicorn main:app --worker-class gasgi.Worker``."""

from __future__ import annotations

__version__ = "0.1.0.dev0"
