"""All that the service has kept of one studio, deleted on request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, text

from serving.database.database import Database
from serving.database.prediction_table import PredictionTable
from serving.database.tables import deletions, scenarios
from serving.records.prediction_log import PredictionLog

FLUSH_SECONDS = 2.0


@dataclass(frozen=True)
class DeletedRecords:
    """How much was deleted of one studio."""

    scenarios: int
    predictions: int


class StudioRecords:
    """Saved scenarios and logged predictions of single studios.

    Args:
        database: where they are.
        log: what is on its way there.
    """

    def __init__(self, database: Database, log: PredictionLog) -> None:
        self._database = database
        self._log = log

    def delete(self, studio_id: str) -> DeletedRecords:
        """Delete all records of a studio, also those that any process still has in hand.

        Raises:
            DatabaseError: the database is away; some may be gone, and it can be asked again.
        """
        self._log.flush(FLUSH_SECONDS)
        until = datetime.now(UTC)
        with self._database.writing() as connection:
            if self._database.dialect == "postgresql":
                # Entries that are being written are seen below; later ones see the deletion.
                connection.execute(text("LOCK TABLE predictions IN SHARE ROW EXCLUSIVE MODE"))
            connection.execute(delete(deletions).where(deletions.c.studio_id == studio_id))
            connection.execute(insert(deletions).values(studio_id=studio_id, deleted_at=until))
            saved = connection.execute(delete(scenarios).where(scenarios.c.studio_id == studio_id)).rowcount
        return DeletedRecords(saved, PredictionTable(self._database).delete_studio(studio_id))
