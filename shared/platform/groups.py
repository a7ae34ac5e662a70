"""Can our members join this consumer group, or do others sit in it who share partitions out in another way?"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from shared.domain.errors import Misconfigured
from shared.platform.settings import KafkaSettings

PROTOCOL_TYPE: Final = "consumer"
ASSIGNOR: Final = "roundrobin"
"""aiokafka's and Faust's own default; every member of a group must name one that all others name."""
ASK_WITHIN_S: Final = 15.0
RETRY_S: Final = 0.2


async def refuse_foreign_groups(admin: Any, groups: Iterable[str]) -> None:
    """Misconfigured, with a sentence that says what to do, where a group (by its full name) has foreign members.

    `admin` is a started AIOKafkaAdminClient. Raises aiokafka's KafkaError or TimeoutError when the broker does not
    answer within ASK_WITHIN_S.
    """
    async with asyncio.timeout(ASK_WITHIN_S):
        for group in groups:
            _refuse_foreign(group, *await _described(admin, group))


async def refuse_to_join_strangers(kafka: KafkaSettings, group: str) -> None:
    """Misconfigured where the group (by its full name) has foreign members.

    aiokafka tells nobody that the broker refuses the member: it would wait for its partitions for ever.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap, client_id=kafka.client_id)
    try:
        await admin.start()
        await refuse_foreign_groups(admin, [group])
    finally:
        await admin.close()


async def _described(admin: Any, group: str) -> tuple[str, str, list[str]]:
    """The group's protocol type, its assignor, and the client ids of its members; asks one group at a time.

    aiokafka 0.14 reads an answer about several groups wrongly from the second one on.
    """
    while True:
        try:
            [answer] = await admin.describe_consumer_groups([group])
            [(code, _, _, protocol_type, assignor, members, *_)] = answer.groups
            if (error := for_code(code)).retriable:
                raise error()
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(RETRY_S)  # a broker that has just started does not know its groups yet
            continue
        return protocol_type, assignor, sorted({member[1] for member in members})


def _refuse_foreign(group: str, protocol_type: str, assignor: str, members: list[str]) -> None:
    if not members:
        return
    who = f"members of group {group} ({', '.join(members)})"
    way_out = "Stop them, or set another WIRE_TOPIC_PREFIX for this wire."
    if protocol_type != PROTOCOL_TYPE:
        raise Misconfigured(f"The {who} are no consumers: their protocol type is {protocol_type}. {way_out}")
    if assignor and assignor != ASSIGNOR:
        raise Misconfigured(
            f"The {who} share partitions out by {assignor}, which ours do not know: they use {ASSIGNOR}. {way_out}"
        )
