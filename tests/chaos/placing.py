"""Where does each process of a tester's wire listen, and what is it told there?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

from deploy.local.layout import Ports, Service
from deploy.local.ports import LOOPBACK, free_port


def free_ports(receivers: int) -> tuple[Ports, list[int]]:
    """Ports nobody listens on: one for every process, and as many as asked for receivers."""
    count = len(fields(Ports))
    taken: list[int] = []
    while len(taken) < count + receivers:
        taken.append(free_port(frozenset(taken)))
    return Ports(*taken[:count]), taken[count:]


def allowing(receivers: Iterable[int]) -> str:
    """The setting by which distribution may call receivers on these ports of this machine."""
    return ",".join(f"{LOOPBACK}:{port}" for port in receivers)


def told_so(service: Service, settings: Mapping[str, str], arguments: Sequence[str] | None) -> Service:
    """The service with more in its environment, and perhaps with other words after `python -m`."""
    return replace(
        service,
        environment={**service.environment, **settings},
        arguments=service.arguments if arguments is None else tuple(arguments),
    )


def second(service: Service) -> Service:
    """The same service as another copy: instance number 2, a port of its own."""
    port = free_port()
    own = {
        name: str(port)
        for name, value in service.environment.items()
        if name.startswith("WIRE_") and name.endswith("_PORT") and value == str(service.port)
    }
    environment = {**service.environment, **own, "WIRE_INSTANCE": "2"}
    return replace(service, name=f"{service.name}-2", environment=environment, port=port)
