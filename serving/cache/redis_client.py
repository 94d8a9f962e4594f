"""The way to the Redis of the settings."""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from studio_pipeline.errors import SettingsError

LOOK_SECONDS = 1.0
"""What it may take to connect, or to find out whether Redis is there: over TLS more than a request waits."""

ANSWER_SECONDS = 0.2
"""What the client itself waits for an answer."""

CONNECTIONS = 8


def redis_client(url: str) -> Redis:
    """A client that has connected nowhere yet.

    Raises:
        SettingsError: the URL has options that nobody knows; it is not shown, as it may hold a password.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=LOOK_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=LOOK_SECONDS,
            protocol=2,
            # One of its connections may have been closed since it was last used.
            retry=Retry(NoBackoff(), 1),
        )
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, RedisError):
        raise SettingsError(
            "STUDIO_REDIS_URL has options that can't be used.", "Leave out what follows its question mark."
        ) from None
    return Redis.from_pool(pool)
