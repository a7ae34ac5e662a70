"""The services of the wire: they meet only on topics and over public HTTP."""
