"""May webhooks go there, with these headers, under this secret? Judged at registration; refusals name the rule."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.gateway.ports import Names
from services.gateway.refusals import Unfit, unfit
from shared.platform.egress import EgressPolicy, UrlRefused, vet_answers, vet_url
from shared.platform.problems import pointer_of
from shared.platform.signature import BadSecret, new_private_key, new_secret, parse_private_key, parse_secret
from shared.platform.webhook_headers import HeaderRefused, vet_headers


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """The sender's rules, asked before it is ever asked to send; it asks them again at every connection."""

    policy: EgressPolicy
    names: Names

    async def url(self, url: str) -> str:
        """Return the URL in its normal form. Raises Unfit with `rule`, `address` and `setting`.

        A name is resolved here and every one of its addresses judged: a private one is refused today, not at the
        first delivery.
        """
        try:
            vetted = vet_url(url, self.policy)
            if not vetted.allowed:
                addresses = await self.names.addresses(vetted.host, vetted.port)
                if not addresses:
                    raise UrlRefused("name", vetted.host, f"the name {vetted.host} has no address")
                vet_answers(vetted.host, vetted.port, addresses, self.policy)
        except UrlRefused as refused:
            raise _named(refused) from refused
        return vetted.url


def _named(refused: UrlRefused) -> Unfit:
    return unfit("/url", str(refused), rule=refused.rule, address=refused.address, setting=refused.setting)


def own_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a subscriber's own headers with lower-case names; raises Unfit, which never repeats a value."""
    try:
        return dict(vet_headers(headers))
    except HeaderRefused as refused:
        raise unfit(pointer_of(("headers", refused.name[:64])), str(refused)) from None


@dataclass(frozen=True, slots=True)
class NewSecrets:
    """Secrets just made or brought, to be sealed: `shared` is shown to its owner, of `private` the public half."""

    shared: str
    private: str | None

    @property
    def all(self) -> tuple[str, ...]:
        return (self.shared,) if self.private is None else (self.shared, self.private)

    @property
    def public_key(self) -> str | None:
        return public_of(self.private) if self.private else None


def secrets_for(signing: tuple[str, ...], brought: str | None) -> NewSecrets:
    """Return what an endpoint signs with; raises Unfit for a secret that cannot be used, never repeating it."""
    try:
        shared = parse_secret(brought).text if brought is not None else new_secret()
    except BadSecret as bad:
        raise unfit("/secret", str(bad)) from None
    return NewSecrets(shared, new_private_key() if "v1a" in signing else None)


def public_of(private: str) -> str:
    """Return the public half (`whpk_…`) of a private key."""
    return parse_private_key(private).public_text
