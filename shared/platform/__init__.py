"""The only code that knows Kafka, Redis, signals, logs and metrics."""
