"""Who hears of requests: access log, statsd, hooks of gunicorn. No asyncio, no app."""
