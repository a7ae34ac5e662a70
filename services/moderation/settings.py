"""What is the moderation service told? Only what every service is: its rules are code, its topics the table's."""

from shared.platform.settings import CommonSettings


class ModerationSettings(CommonSettings):
    """Settings of `python -m services.moderation`."""
