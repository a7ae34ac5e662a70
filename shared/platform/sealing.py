"""How secrets travel in topics and Redis: encrypted, with a key that lives outside both (design, section 6)."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.domain.errors import Misconfigured

LOST = "a secret was sealed with a key that WIRE_SECRET_KEY no longer holds"


class Sealer:
    """Seals with the first key, opens with any: put a new key first to rotate, drop the old when all are resealed."""

    def __init__(self, keys: str) -> None:
        """`keys`: one or more Fernet keys (32 bytes, urlsafe base64), comma separated; raises `Misconfigured`."""
        try:
            fernets = [Fernet(key.strip()) for key in keys.split(",")]
        except ValueError:
            raise Misconfigured(
                "WIRE_SECRET_KEY must be 32 random bytes in urlsafe base64 (make one with "
                "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`)."
            ) from None
        self._newest = fernets[0]
        self._fernet = MultiFernet(fernets)

    def seal(self, secret: str) -> str:
        """Return the secret encrypted and authenticated; never the same twice."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return what was sealed; `Misconfigured` when none of the keys fits."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Misconfigured(LOST) from None

    def is_newest(self, sealed: str) -> bool:
        """Tell whether the first key sealed it."""
        try:
            self._newest.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True

    def reseal(self, sealed: str) -> str:
        """Return the same secret sealed with the first key; `Misconfigured` when none of the keys fits."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise Misconfigured(LOST) from None
