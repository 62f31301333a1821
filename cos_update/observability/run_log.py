"""The log of passes: problems that persist across passes are logged once, then counted, then reported as over.

Separate from `repeats`, which knows nothing about passes and outcomes.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from cos_update.model.errors import CosUpdateError
from cos_update.model.kinds import ResourceKind
from cos_update.observability.facts import Facts, extra, notice_facts, outcome_facts, report_facts
from cos_update.observability.log_handlers import LogFile
from cos_update.observability.observer import Observer
from cos_update.observability.repeats import RepeatSuppressor
from cos_update.planning.outcome import Outcome, Result
from cos_update.planning.plan import Notice, NoticeKind
from cos_update.planning.report import Report, describe, located
from cos_update.planning.summary import change_text

log = logging.getLogger("cos_update.bulk")

_FAILED = "failed"
_IDS = "openstack=%s concertim=%s"
_NOT_DONE = f"not %s (%s) %s: %s {_IDS}"


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A problem that persists across passes: its description, and whether only a complete pass can end it."""

    subject: str
    level: int
    logger: logging.Logger
    is_gap: bool = False


def keep_off_stderr() -> None:
    """Logs passes only to the file, for commands that display them in another way."""
    names = {log.name, *(f"cos_update.{kind.label}" for kind in ResourceKind)}
    for handler in logging.getLogger().handlers:
        if not isinstance(handler, LogFile):
            handler.addFilter(lambda record: record.name not in names)


class RunLog(Observer):
    """The log of a command's passes or single outcomes; lines that concern no object go to `logger`."""

    def __init__(self, logger: logging.Logger = log, repeats: RepeatSuppressor | None = None) -> None:
        self._logger = logger
        self._repeats = repeats or RepeatSuppressor(logger)
        self._lock = threading.Lock()
        self._going: dict[str, _Trouble] = {}
        self._met: set[str] = set()
        self._failing = False

    def pass_begins(self) -> None:
        with self._lock:
            self._met.clear()
        self._logger.log(logging.DEBUG if self._failing else logging.INFO, "pass begins")

    def outcome(self, outcome: Outcome) -> None:
        action = outcome.action
        logger = logging.getLogger(f"cos_update.{action.kind.label}")
        key = f"{action.kind.label} {action.openstack_id or action.concertim_id or action.name}"
        words = action.verb.past
        concertim_id = outcome.record.id if outcome.record else action.concertim_id
        ids = (action.openstack_id, concertim_id or "-")
        not_done = (words, outcome.result, located(action), outcome.reason, *ids)
        facts = outcome_facts(outcome)
        with self._lock:
            self._met.add(key)
        match outcome.result:
            case Result.DONE:
                changes = "; ".join(change_text(change) for change in action.changes)
                logger.info(f"%s %s %s {_IDS}", words, located(action), changes or action.why, *ids, extra=extra(facts))
                if outcome.reason:
                    logger.warning(
                        f"%s %s: %s {_IDS}", words, located(action), outcome.reason, *ids, extra=extra(facts)
                    )
                self._over(key)
            case Result.REFUSED | Result.FAILED:
                trouble = _Trouble(f"{describe(action)} not {words}", logging.WARNING, logger)
                self._goes_on(key, trouble, _NOT_DONE, *not_done, facts=facts)
            case Result.STALE:
                logger.warning(_NOT_DONE, *not_done, extra=extra(facts))
            case Result.SKIPPED:
                # Actions that were not tried are summarized in the pass's own line.
                logger.debug(_NOT_DONE, *not_done, extra=extra(facts))

    def pass_ends(self, report: Report) -> None:
        """Logs one line for the pass, one for each notice, and one for each notice that is over."""
        self._failing = False
        self._over(_FAILED)
        news = {notice.key for notice in report.news}
        for notice in report.notices:
            self.notice(notice, is_news=notice.key in news)
        # Problems that depend on a gap, or were not reached, are not over just because this pass did not report them.
        whole = not (report.stopped or report.stale or any(n.kind is NoticeKind.UNREAD for n in report.notices))
        with self._lock:
            ended = [key for key, trouble in self._going.items() if key not in self._met and (whole or trouble.is_gap)]
        for key in ended:
            self._over(key)
        self._logger.info("pass ends: %s", report, extra=extra(report_facts(report)))

    def pass_failed(self, error: CosUpdateError) -> None:
        self._failing = True
        trouble = _Trouble("passes that failed", logging.ERROR, self._logger)
        self._goes_on(_FAILED, trouble, "pass failed: %s", f"{error} {error.hint}".rstrip())

    def notice(self, notice: Notice, *, is_news: bool = False) -> None:
        """Logs one line for an object that was left alone or is surprising; as a warning if `is_news`."""
        key = f"{notice.kind} {notice.subject} {notice.name} {notice.openstack_id}"
        level = logging.WARNING if notice.leaves_work or is_news else logging.INFO
        subject = f"{notice.subject} {notice.name}: {notice.text}"
        with self._lock:
            self._met.add(key)
        trouble = _Trouble(subject, level, self._logger, notice.kind is NoticeKind.UNREAD)
        self._goes_on(key, trouble, "%s", subject, facts=notice_facts(notice))

    def _goes_on(self, key: str, trouble: _Trouble, message: str, *about: object, facts: Facts | None = None) -> None:
        with self._lock:
            if key not in self._going and len(self._going) >= RepeatSuppressor.MOST:
                del self._going[next(iter(self._going))]
            self._going[key] = trouble
        self._repeats.failed(key, message, *about, level=trouble.level, logger=trouble.logger, facts=facts)

    def _over(self, key: str) -> None:
        with self._lock:
            trouble = self._going.pop(key, None)
        if trouble is not None:
            level = min(trouble.level, logging.WARNING)
            self._repeats.over(key, trouble.subject, level=level, logger=trouble.logger)
