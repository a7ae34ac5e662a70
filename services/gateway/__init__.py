"""Gateway: the public door, for readers, subscribers, streams and the desk."""
