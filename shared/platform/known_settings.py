"""Which WIRE_* variables exist? One line each; anything else in the environment stops a start."""

# Read by services. `tests/architecture/test_settings.py` compares this list with every Settings class.
KNOWN: tuple[str, ...] = (
    # every service
    "WIRE_BIND",
    "WIRE_FAILPOINTS",
    "WIRE_INSTANCE",
    "WIRE_KAFKA",
    "WIRE_LOG_FORMAT",
    "WIRE_LOG_LEVEL",
    "WIRE_OPS_PORT",
    "WIRE_OTLP",
    "WIRE_PARK_PER_MINUTE",
    "WIRE_PROFILE",
    "WIRE_REDIS",
    "WIRE_TOPIC_PREFIX",
    # distribution
    "WIRE_CATCH_UP_PER_S",
    "WIRE_CONNECT_TIMEOUT_S",
    "WIRE_EGRESS_PROXY",
    "WIRE_ENDPOINT_ALLOW",
    "WIRE_ENDPOINT_PORTS",
    "WIRE_REPLAY_PER_S",
    "WIRE_SECRET_KEY",
    "WIRE_SEND_SLOTS",
    "WIRE_SEND_TIMEOUT_S",
    "WIRE_SUBSCRIBER_RATE",
    "WIRE_WEBHOOK_CLIENT",
    # gateway
    "WIRE_COALESCE_MS",
    "WIRE_CORS_ORIGINS",
    "WIRE_DRAIN_S",
    "WIRE_GATEWAY_PORT",
    "WIRE_OPERATOR_KEY",
    "WIRE_PUBLIC_SITE",
    "WIRE_PUBLIC_URL",
    "WIRE_READ_CACHE_MB",
    "WIRE_REQUEST_RATE",
    "WIRE_REUSE_PORT",
    "WIRE_STREAM_PER_KEY",
    "WIRE_TLS_CERTIFICATE",
    "WIRE_TLS_KEY",
    # ingest
    "WIRE_ACCEPT_WITHIN_S",
    "WIRE_FEED_EVERY_S",
    "WIRE_FEED_SOURCE",
    "WIRE_FEED_URL",
    "WIRE_FLASH_QUOTA",
    "WIRE_INGEST_PORT",
    "WIRE_WATCH_FOLDER",
    # monitor
    "WIRE_FLIGHT_SINCE_S",
    "WIRE_FLIGHT_STORIES",
    "WIRE_LAG_EVERY_S",
    "WIRE_MONITOR_PORT",
)

# Read by the tests, the `wire` command and the local runner; a service that inherits them ignores them.
ELSEWHERE: tuple[str, ...] = (
    # the wire command
    "WIRE_KEY",
    "WIRE_URL",
    # tests
    "WIRE_REQUIRE_BROKER",
    "WIRE_SHARED",
    "WIRE_TEST_KAFKA",
    "WIRE_TEST_REDIS",
    # the local runner
    "WIRE_DATA",
    "WIRE_DEMO_PORT",
    "WIRE_DISTRIBUTION_OPS_PORT",
    "WIRE_ENRICH_FLASH_OPS_PORT",
    "WIRE_ENRICH_OPS_PORT",
    "WIRE_KAFKA_PORT",
    "WIRE_MODERATION_OPS_PORT",
    "WIRE_REDIS_PORT",
)
