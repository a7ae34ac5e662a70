"""Which sender puts webhooks on the network, as the settings say?"""

from services.distribution.adapters.budgets import Budgets
from services.distribution.adapters.fallback.sender import AiohttpSender
from services.distribution.adapters.proxy import SETTING, parse_proxy
from services.distribution.adapters.sender import WebhookSender
from services.distribution.sending import Sender
from services.distribution.settings import DistributionSettings
from shared.domain.errors import Misconfigured
from shared.platform.egress import policy_of
from shared.platform.failpoints import Failpoints


def sender_from(settings: DistributionSettings, failpoints: Failpoints | None = None) -> Sender:
    """Return a new sender, to be closed by the caller; raise `Misconfigured`. Needs a running event loop."""
    policy = policy_of(settings.endpoint_allow, settings.endpoint_ports)
    budgets = Budgets(total=settings.send_timeout_s, connect=settings.connect_timeout_s)
    proxy = parse_proxy(settings.egress_proxy.get_secret_value())
    if settings.webhook_client == "own":
        return WebhookSender(policy, budgets, failpoints=failpoints, proxy=proxy)
    if proxy is not None:  # aiohttp asks a proxy for names, which only the proxy would resolve
        raise Misconfigured(f"{SETTING} needs WIRE_WEBHOOK_CLIENT=own.")
    return AiohttpSender(policy, budgets, failpoints=failpoints)
