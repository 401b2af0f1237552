"""Signs webhooks as Parallel does, with the standard's own package."""

import base64
import hmac
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
OTHER_SECRET = "whsec_" + base64.b64encode(b"another key of 24 bytes!").decode()


def legacy(secret: str) -> str:
    """The secret by which the standard's package signs as accounts of before it: with the other one as it is written."""
    return "whsec_" + base64.b64encode(secret.encode()).decode()


def signature(secret: str, webhook_id: str, at: float, body: bytes) -> str:
    """`v1,…`"""
    return Webhook(secret).sign(webhook_id, datetime.fromtimestamp(int(at), UTC), body.decode())


def sign_bytes(body: bytes, at: float, *, webhook_id: str = "whevent_1") -> dict[str, str]:
    """As `signed`, by hand: what is no text the package does not sign."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    content = b"%s.%d." % (webhook_id.encode(), at) + body
    value = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{value}"}


def signed(body: bytes, at: float, *, webhook_id: str = "whevent_1", secret: str = SECRET) -> dict[str, str]:
    """The headers of one attempt, at `at` seconds since 1970."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": signature(secret, webhook_id, at, body),
    }
