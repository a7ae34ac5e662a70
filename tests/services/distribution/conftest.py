"""Which senders take the tests, and on which event loops?"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest
import uvloop

from services.distribution.adapters.fallback.sender import AiohttpSender
from services.distribution.adapters.sender import WebhookSender
from tests.services.distribution.senders import NewSender

LoopFactories: TypeAlias = dict[str, Callable[[], asyncio.AbstractEventLoop]]

ASYNCIO: LoopFactories = {"asyncio": asyncio.new_event_loop}
UVLOOP: LoopFactories = {"uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(item: pytest.Item) -> LoopFactories:
    """What touches transports runs on uvloop, as the services do; our own sender on asyncio's loop too."""
    on_both = item.path.name == "test_sender_own.py"
    return ASYNCIO | UVLOOP if on_both else UVLOOP if item.path.name.startswith("test_sender") else ASYNCIO


@pytest.fixture(params=[WebhookSender, AiohttpSender], ids=["own", "aiohttp"])
def new_sender(request: pytest.FixtureRequest) -> NewSender:
    maker: NewSender = request.param
    return maker
