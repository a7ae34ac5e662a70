"""Who parks what it cannot act on, and where?"""

from shared.platform.topics import Topic

PARKED_ON = {
    Topic.RECEIVED: Topic.DEAD_ENRICH,
    Topic.RECEIVED_FLASH: Topic.DEAD_ENRICH,
    Topic.INBOX: Topic.DEAD_MODERATION,
    Topic.INBOX_FLASH: Topic.DEAD_MODERATION,
    Topic.LIFTS: Topic.DEAD_MODERATION,
    Topic.RELEASED: Topic.DEAD_DISTRIBUTION,
    Topic.RELEASED_FLASH: Topic.DEAD_DISTRIBUTION,
    Topic.DUE: Topic.DEAD_DISTRIBUTION,
    Topic.DUE_FLASH: Topic.DEAD_DISTRIBUTION,
    Topic.RETRY_10S: Topic.DEAD_DISTRIBUTION,
    Topic.RETRY_1M: Topic.DEAD_DISTRIBUTION,
    Topic.RETRY_10M: Topic.DEAD_DISTRIBUTION,
    Topic.RETRY_1H: Topic.DEAD_DISTRIBUTION,
    Topic.RETRY_6H: Topic.DEAD_DISTRIBUTION,
}
"""Where a service acts on what it reads, and where it parks what it cannot act on. Elsewhere services observe: the
states, texts, kills, current items, recipients, subscriptions, sources, principals, attempts, health, comments, counts,
dead letters and the audit are loaded into tables or told to people, and a record that is no row of them is skipped."""
