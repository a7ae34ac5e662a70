"""Which settings are there, in one page? `python -m deploy.env_example` writes .env.example from the classes."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefinedType

import services
from shared.platform.settings import CommonSettings, KafkaSettings, variable

EXAMPLE = Path(__file__).resolve().parents[1] / ".env.example"
HEAD = """\
# Every setting of Slugline. Each has a default that runs on one machine; uncomment what should differ.
# A WIRE_* variable that is not here stops a service with exit code 3 and the name of the nearest one.
# Written by `python -m deploy.env_example`.
"""


def settings_classes() -> Iterator[tuple[str, type[CommonSettings]]]:
    """What every service shares, then each service's own class, by the name of the service."""
    yield "every service", CommonSettings
    for module in pkgutil.iter_modules(services.__path__):
        try:
            found = importlib.import_module(f"services.{module.name}.settings")
        except ModuleNotFoundError as error:
            if error.name != f"services.{module.name}.settings":
                raise
            continue
        for one in vars(found).values():
            if isinstance(one, type) and issubclass(one, CommonSettings) and one.__module__ == found.__name__:
                yield module.name, one


def variables(settings: type[CommonSettings]) -> dict[str, tuple[str, str]]:
    """Each variable of a settings class with what it means and its default as the environment would hold it."""
    return {
        variable(settings, name): (field.description or "", _as_text(field.get_default(call_default_factory=True)))
        for name, field in settings.model_fields.items()
    }


def example() -> str:
    """The whole page; a setting that several services have stands where it is met first."""
    told: set[str] = set()
    page = [HEAD]
    for title, settings in settings_classes():
        own = {name: meaning for name, meaning in variables(settings).items() if name not in told}
        told.update(own)
        if own:
            page.append(f"\n# --- {title}\n")
        page += [f"\n# {meaning}\n#{name}={default}\n" for name, (meaning, default) in own.items()]
    return "".join(page)


def _as_text(default: object) -> str:
    match default:
        case None | SecretStr() | PydanticUndefinedType():
            return ""  # optional, not worth showing, or required
        case KafkaSettings():
            return default.bootstrap
        case bool():
            return "1" if default else "0"
        case tuple() | list() | frozenset():
            return ",".join(str(one) for one in default)
        case _:
            return str(default)


if __name__ == "__main__":
    EXAMPLE.write_text(example(), encoding="utf-8")
    sys.stdout.write(f"wrote {EXAMPLE.name}\n")
