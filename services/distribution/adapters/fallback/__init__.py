"""The sender over aiohttp: what stands in for our own where a setting says so."""
