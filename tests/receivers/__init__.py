"""Local webhook receivers, friendly and hostile, on real sockets."""
