"""What the connections of a worker share. asyncio starts here."""
