"""What is the enrich service told? Only what every service is; the lane is an argument, the rest is in its lists."""

from shared.platform.settings import CommonSettings


class EnrichSettings(CommonSettings):
    """Settings of `python -m services.enrich`."""
