"""What do the routes work with? Everything that `main` put together, in one frozen place."""

from dataclasses import dataclass

from services.gateway.decisions import Decisions
from services.gateway.deliveries_view import DeliveriesView
from services.gateway.desk_view import DeskView
from services.gateway.entitlements import Entitlements
from services.gateway.followed import Followed
from services.gateway.keychain import Keychain
from services.gateway.keyring import KeyRing
from services.gateway.ports import Texts
from services.gateway.read_cache import ReadCache
from services.gateway.receipts import Receipts
from services.gateway.registrar import Registrar
from services.gateway.registry import Registry
from services.gateway.rehearsals import Rehearsals
from services.gateway.replays import Replays
from services.gateway.resealing import Resealing
from services.gateway.retries import Retries
from services.gateway.stories import Stories
from services.gateway.subscriptions import Subscriptions
from services.gateway.tickets import Tickets
from services.gateway.visible import Visible, everything
from shared.platform.clock import Clock


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway's use cases and tables."""

    keys: KeyRing
    desk: DeskView
    receipts: Receipts
    decisions: Decisions
    texts: Texts
    stories: Stories
    kept: ReadCache
    registry: Registry
    registrar: Registrar
    keychain: Keychain
    resealing: Resealing
    subscriptions: Subscriptions
    entitlements: Entitlements
    rehearsals: Rehearsals
    deliveries: DeliveriesView
    retries: Retries
    replays: Replays
    followed: Followed
    tickets: Tickets
    clock: Clock
    visible: Visible = everything
    public_url: str = ""
