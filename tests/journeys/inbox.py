"""What has one endpoint received, and is all of it what the wire promises?"""

from dataclasses import dataclass
from typing import Any

from tests.journeys.judges import assert_releasable
from tests.receivers.recording import Recorded, Recorder
from tests.waiting import wait_until

ARRIVES_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Inbox:
    """The webhooks of one endpoint; only those whose signature the `standardwebhooks` library verified count."""

    endpoint_id: str
    subscription_id: str
    recorder: Recorder

    @property
    def webhooks(self) -> list[Recorded]:
        """Webhooks about stories, in order of arrival, repeats included."""
        return [each for each in self.recorder.deliveries if each.type.startswith("story.")]

    def about(self, story_id: str) -> list[dict[str, Any]]:
        """The items received of one story, in order of arrival, each once by its `webhook-id`."""
        first = {each.webhook_id: each for each in reversed(self.webhooks)}
        return [each.data for each in self.webhooks if each is first[each.webhook_id] and _is_of(each, story_id)]

    async def webhook(self, story_id: str, release_no: int | None = None, within: float = ARRIVES_WITHIN_S) -> Recorded:
        """The first webhook about a story (or about one release of it), once it is there."""

        def arrived() -> list[Recorded]:
            return [each for each in self.webhooks if _is_of(each, story_id, release_no)]

        what = f"a webhook about {story_id}" + (f", release {release_no}" if release_no else "")
        return (await wait_until(arrived, within, message=what))[0]

    async def item(
        self, story_id: str, release_no: int | None = None, within: float = ARRIVES_WITHIN_S
    ) -> dict[str, Any]:
        """The item in that webhook."""
        return (await self.webhook(story_id, release_no, within)).data

    def judge(self) -> None:
        """Fail unless everything that came was signed with the endpoint's secret and every item can stand."""
        assert self.recorder.unverified == [], "a webhook came that standardwebhooks does not verify"
        for each in self.webhooks:
            assert_releasable(each.data)


def _is_of(webhook: Recorded, story_id: str, release_no: int | None = None) -> bool:
    data = webhook.data
    return data["story_id"] == story_id and release_no in {None, data["release_no"]}
