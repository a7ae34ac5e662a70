"""The stream path of the gateway, over real sockets; the log is a twin in memory but for one test."""
