"""When does the wire in containers stand, and where do its webhooks find this machine?"""

from pathlib import Path

import pytest

from deploy.compose import tool
from deploy.compose.rising import failing, where_containers_find_us
from deploy.compose.tool import Compose, ComposeFailed, Container


def compose_that_says(answer: str, folder: Path) -> Compose:
    """A command of its own that prints `answer` whatever it is asked."""
    script = folder / "compose"
    script.write_text(f"#!/bin/sh\necho '{answer}'\n")
    script.chmod(0o755)
    return Compose((str(script),), folder)


@pytest.mark.parametrize(
    ("container", "works"),
    [
        (Container("gateway", "running", 0, "healthy"), True),
        (Container("gateway", "running", 0, "starting"), False),
        (Container("gateway", "running", 0, "unhealthy"), False),
        (Container("gateway", "exited", 0, "unhealthy"), False),
        (Container("provision", "exited", 0, ""), True),
        (Container("provision", "exited", 3, ""), False),
        (Container("provision", "running", 0, ""), False),
        (Container("provision", "created", 0, ""), False),
    ],
    ids=str,
)
def test_a_container_works_when_it_does_what_it_is_there_for(container: Container, works: bool) -> None:
    """A service must be healthy, not merely running; a one-shot must have ended well."""
    assert container.works is works


def test_what_lags_is_named_with_its_state() -> None:
    """Whoever waits is told which service to look at."""
    healthy, starting = Container("gateway", "running", 0, "healthy"), Container("monitor", "running", 0, "starting")
    assert failing([healthy, starting]) == ["monitor starting"]


def test_a_line_of_docker_is_read() -> None:
    """Service, state, exit code and health; a one-shot has no health."""
    assert tool.container("gateway running 0 healthy") == Container("gateway", "running", 0, "healthy")
    assert tool.container("provision exited 3 ") == Container("provision", "exited", 3, "")


def test_a_bridge_address_of_this_machine_is_where_the_receiver_listens(tmp_path: Path) -> None:
    """On Linux a container reaches an address that is ours; binding it opens the receiver to nobody else's network."""
    assert where_containers_find_us(compose_that_says("127.0.0.2", tmp_path)) == "127.0.0.2"


def test_an_address_that_is_not_ours_leads_to_loopback(tmp_path: Path) -> None:
    """Where a virtual machine runs the containers, its name for the host arrives at loopback here."""
    assert where_containers_find_us(compose_that_says("192.0.2.1", tmp_path)) == "127.0.0.1"


def test_a_command_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    """The reason compose gives reaches whoever typed `make containers`."""
    script = tmp_path / "compose"
    script.write_text("#!/bin/sh\necho 'no such service' >&2\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(ComposeFailed, match="no such service"):
        Compose((str(script),), tmp_path).ask("port", "gateway", "8080")
