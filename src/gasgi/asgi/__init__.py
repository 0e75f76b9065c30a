"""The conversations with the application (ASGI 3.0), on any wire. The only code that sees the app."""
