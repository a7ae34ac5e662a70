"""How fast, how cheap and how fair are webhooks? Measured on a real broker, printed beside floors and bare loops."""
