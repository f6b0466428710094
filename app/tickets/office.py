"""What one process works with: database, desk, seal and numbers. Built once by main, the worker and the CLI."""

from dataclasses import dataclass

from app.classify.artefact import ModelError
from app.classify.predict import Classifier, load
from app.database import Database
from app.rulebook.loader import load_rulebook
from app.sealing import Sealer, load_sealer
from app.settings import Settings
from app.tickets.intake import Desk, make_desk
from app.tickets.numbers import NumberSource


@dataclass(frozen=True)
class Office:
    """The service's working parts.

    Attributes:
        model_fault: why no model is loaded; empty when one is. Without a model everything goes to triage.
    """

    settings: Settings
    database: Database
    desk: Desk
    sealer: Sealer
    numbers: NumberSource
    model_fault: str


def open_office(settings: Settings) -> Office:
    """Load rules and model and open the database.

    Raises:
        RulebookError: the rules cannot be used.
    """
    rulebook = load_rulebook(settings.rules_dir)
    classifier: Classifier | None = None
    fault = ""
    try:
        classifier = load(settings.models_dir, rulebook)
    except ModelError as error:
        fault = str(error)
    database = Database(settings.database_url, settings.pool_size, settings.statement_seconds)
    return Office(
        settings, database, make_desk(rulebook, classifier), load_sealer(settings), NumberSource(database), fault
    )
