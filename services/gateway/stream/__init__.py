"""How do releases reach those who hold a connection open? The stream path of the gateway (design, section 7)."""
