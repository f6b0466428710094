"""The `hotline` command. Every group and command explains itself with --help; every fault is one clear line."""

import sys

import typer
from sqlalchemy.exc import SQLAlchemyError

from app.classify.artefact import ModelError
from app.classify.batch import LineError
from app.classify.corpus import CorpusError
from app.cli import (
    accounts,
    audit,
    backup,
    clocks,
    demo,
    doctor,
    jobs,
    learning,
    models,
    retention,
    rules,
    run,
    simulation,
)
from app.errors import HotlineError
from app.main import StartError
from app.reports.periods import PeriodError
from app.rulebook.loader import RulebookError
from app.rulebook.yearly import YearlyError
from app.sealing import SealError
from app.settings import SettingsError

app = typer.Typer(
    name="hotline", help="包头市12345营商环境专席：企业诉求受理、按责转办与限时办理服务", no_args_is_help=True,
    pretty_exceptions_enable=False, add_completion=False,
)  # fmt: skip
app.command("serve")(run.serve)
app.command("worker")(run.work)
app.command("migrate")(run.migrate)
app.command("init")(run.init)
app.command("classify")(models.classify)
app.command("train")(models.train)
app.command("evaluate")(models.evaluate)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(rules.app, name="rules")
app.add_typer(models.models_app, name="models")
app.command("index-similar")(learning.index_similar)
app.add_typer(learning.feedback_app, name="feedback")
app.add_typer(models.corpus_app, name="corpus")
app.add_typer(clocks.clocks_app, name="clocks")
app.add_typer(audit.audit_app, name="audit")
app.add_typer(jobs.jobs_app, name="jobs")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("retention")(retention.retention)
app.command("report")(jobs.report)
app.command("simulate")(simulation.simulate)
app.add_typer(accounts.staff_app, name="staff")
app.add_typer(accounts.keys_app, name="keys")


def main() -> None:
    """Run the command; a known fault ends it with one line and status 1."""
    try:
        app()
    except RulebookError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        sys.exit(1)
    except SQLAlchemyError as error:
        print(f"错误：数据库不可用或结构不对（{type(error).__name__}），请执行 hotline doctor", file=sys.stderr)
        sys.exit(1)
    except (
        HotlineError,
        SettingsError,
        StartError,
        ModelError,
        CorpusError,
        LineError,
        SealError,
        YearlyError,
        PeriodError,
    ) as error:
        print(f"错误：{error}", file=sys.stderr)
        sys.exit(1)
    except UnicodeDecodeError:
        print("错误：文件不是 UTF-8 文本", file=sys.stderr)
        sys.exit(1)
