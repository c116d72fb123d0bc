"""A run's folder: how it is written, so that whatever kills the run loses nothing that has ended.

config.json, summary.json
trials.jsonl        a line an attempt that has come to an end; of two for one attempt the last
trial-000/          the attempt that counts, or that is under way
attempts/000-1/     an earlier attempt at trial 0, which a fault of the machinery has ended
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from grader.records import RunConfig, Trial, trial_of, write_json
from grader.transcript import End, Event, read_transcript

SUMMARY = "summary.json"
BROKEN = "broken.ipynb"  # in a trial's folder: the notebook as it was given
_FOLDER = re.compile(r"trial-(\d{3,})")
_KILLED = "the run was killed"


# Settings that may change when a run goes on: they change no trial.
FREE = ("concurrency", "retries", "trial_minutes", "max_cost")


class FolderError(ValueError):
    """The folder can't be used; the text says what to do."""


@dataclass(frozen=True)
class Run:
    """A run as its folder has it. ``attempts``: all that have ended, in that order."""

    path: Path
    config: RunConfig
    attempts: tuple[Trial, ...]

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """The last attempt at each trial, by number."""
        last: dict[int, Trial] = {}
        for trial in sorted(self.attempts, key=lambda each: each.attempt):
            last[trial.trial] = trial
        return tuple(last[number] for number in sorted(last))

    @property
    def unfinished(self) -> int:
        """How many trials there are to be, besides those that count."""
        return self.config.trials - len(self.graded)

    @property
    def graded(self) -> tuple[Trial, ...]:
        """Those that count: a fault of the machinery says nothing about the agent."""
        return tuple(trial for trial in self.trials if trial.outcome != "infrastructure")


def read_run(path: Path) -> Run:
    """A run, finished or not. FolderError if there is none, or it can't be read."""
    try:
        text = (path / "config.json").read_text(encoding="utf-8")
    except OSError:
        raise FolderError(
            f"{path} is not a run folder: give one that grader.run_trials wrote, such as runs/NAME"
        ) from None
    try:
        return Run(path, RunConfig.model_validate_json(text), _attempts(path / "trials.jsonl"))
    except ValidationError as error:
        first = error.errors()[0]
        raise FolderError(
            f"{path} was written by another version of Silent Bugs, or changed by hand: "
            f"{first['msg']} (at {'.'.join(map(str, first['loc']))})"
        ) from None


def _attempts(path: Path) -> tuple[Trial, ...]:
    found: dict[tuple[int, int], Trial] = {}
    for line in _whole_lines(path):
        trial = Trial.model_validate_json(line)
        found[trial.trial, trial.attempt] = trial
    return tuple(found.values())


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file; one that a kill has cut is none."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


class RunFolder:
    """Writes a run's files; one process at a time may hold a run."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Raises FolderError if the folder can't be written to, or another process holds it;
        those that share it may hold it together."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / ".lock").open("a")
        except OSError as error:
            raise FolderError(
                f"can't write to {path} ({error.strerror}): choose another folder with --out"
            ) from None
        try:
            # The system takes it from a process that ends, however.
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(self._lock, kind | fcntl.LOCK_NB)
        except OSError:
            raise FolderError(f"{path} is in use: another process runs its trials") from None

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """A folder for a new run. Raises FolderError if it holds one."""
        folder = cls(path)
        if (path / "config.json").exists():
            folder.close()
            raise FolderError(
                f"{path} holds a run already: go on with it by --resume {path}, or choose another "
                "folder with --out"
            )
        return folder

    @classmethod
    def resume(cls, path: Path) -> RunFolder:
        """The folder of a run that has ended or was killed, made ready to go on.

        Attempts that were under way, or that ended by a fault, are set aside; what has been played
        to its end is kept. Raises FolderError.
        """
        read_run(path)  # says what is wrong before anything is written
        folder = cls(path)
        # Of a run under way there is none.
        (path / SUMMARY).unlink(missing_ok=True)
        folder._cut_half_a_line()
        for number in folder._numbers():
            if not folder.played(number):
                folder.set_aside(number)
        folder._note_killed()
        return folder

    @classmethod
    def join(cls, path: Path, config: RunConfig) -> tuple[RunFolder, int]:
        """The folder of a run to which trials are added one by one, each by a process of its own,
        and the number of a new one.

        Makes the run if there is none. Raises FolderError if it is of another kind.
        """
        folder = cls(path, shared=True)
        with folder.alone():
            if (path / "config.json").exists():
                refuse_changes(read_run(path).config, config, but=("trials",))
            number = 1 + max(folder._numbers(), default=-1)
            folder.trial(number)
            folder.write("config.json", config.model_copy(update={"trials": number + 1}))
        return folder, number

    def close(self) -> None:
        """Let another process have the run."""
        self._lock.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For what processes that share the folder must do one after another."""
        with (self.path / ".turn").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def write(self, name: str, record: BaseModel | dict[str, Any]) -> None:
        """Write a JSON file as a whole."""
        data = record.model_dump(mode="json") if isinstance(record, BaseModel) else record
        write_json(self.path / name, data)

    def append(self, trial: Trial) -> None:
        """Add an attempt that has ended; it is on the disk before this returns."""
        with self.alone(), (self.path / "trials.jsonl").open("a", encoding="utf-8") as file:
            file.write(trial.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def trial(self, number: int) -> Path:
        """The folder of one trial's attempt."""
        folder = self._path(number)
        folder.mkdir(exist_ok=True)
        return folder

    def attempt(self, number: int) -> int:
        """Which attempt at a trial its folder holds or is to hold, from 1."""
        return 1 + len(list(self.path.glob(f"attempts/{number:03d}-*")))

    def played(self, number: int) -> bool:
        """Whether the folder of a trial holds an episode that came to its end."""
        return any(
            isinstance(event, End) and event.played for event in events_in(self._path(number))
        )

    def set_aside(self, number: int) -> None:
        """Make room for another attempt at a trial; what there is of it is kept."""
        aside = self.path / "attempts" / f"{number:03d}-{self.attempt(number)}"
        aside.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            self._path(number).rename(aside)

    def _numbers(self) -> list[int]:
        found = (_FOLDER.fullmatch(path.name) for path in self.path.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def _path(self, number: int) -> Path:
        return self.path / f"trial-{number:03d}"

    def _cut_half_a_line(self) -> None:
        path = self.path / "trials.jsonl"
        if path.exists():
            os.truncate(path, sum(len(line) + 1 for line in _whole_lines(path)))

    def _note_killed(self) -> None:
        """Attempts that nobody lived to record are faults of the machinery, with their cost."""
        run = read_run(self.path)
        recorded = {(trial.trial, trial.attempt) for trial in run.attempts}
        for path in sorted(self.path.glob("attempts/*-*")):
            number, attempt = map(int, path.name.split("-"))
            if (number, attempt) not in recorded:
                events = events_in(path)
                self.append(trial_of(number, attempt, events, None, _KILLED, run.config.confined))


def events_in(folder: Path) -> list[Event]:
    """The events of an attempt; none if it was killed before there were any."""
    path = folder / "transcript.jsonl"
    return list(read_transcript(path)) if path.exists() else []


def refuse_changes(before: RunConfig, now: RunConfig, but: Collection[str] = ()) -> None:
    """Trials of another kind don't belong into a run. FolderError says what differs, ``but`` for
    some settings and those that are free anyway."""
    changes = [
        f"{name} is {getattr(before, name)} in the run and {value} now"
        for name, value in now
        if name not in (*FREE, "started", *but) and value != getattr(before, name)
    ]
    if changes:
        raise FolderError(
            f"can't go on with a run that was configured differently: {'; '.join(changes)}. "
            "Leave these options out, or start another run with --out"
        )


def new_run_path(task: str, agent: str) -> Path:
    """A folder name under ``runs/`` that says when, what and who."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path, n = Path("runs") / f"{stamp}-{task}-{agent}", 1
    while path.exists():
        n += 1
        path = path.with_name(f"{stamp}-{task}-{agent}-{n}")
    return path
