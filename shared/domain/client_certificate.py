"""What is kept of a client certificate? Part `certificate` of an endpoint in `subscription.state`."""

from pydantic import AwareDatetime, BaseModel, ConfigDict


class EndpointCertificate(BaseModel):
    """The certificate that a webhook shows to a receiver that asks for one (mutual TLS).

    `sealed` is one sealed (encrypted) PEM text: the certificate, what it was issued by, and its private key, in this
    order. What stands beside it may be shown; `fingerprint` is the SHA-256 of the certificate in hex.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint_id: str
    sealed: str
    subject: str
    expires_at: AwareDatetime
    fingerprint: str
