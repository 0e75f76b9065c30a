"""Who may speak for the client, and what they said. No asyncio but in socket, no app."""
