"""The requests that every contender serves in turn, and how fast it does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.client import READ, READ_KEYS, UPDATE, Answer, client
from benchmarks.dataset import LARGE, SMALL, Person, people, refill
from benchmarks.load import Figures, Request, load, write_requests
from benchmarks.scale import Scale
from benchmarks.stage import Contender, Stage

CONNECTIONS = 64
LARGE_CONNECTIONS = 8  # A hundred sealed keys take long: more would only wait for each other.


@dataclass(frozen=True)
class Work:
    name: str
    path: str
    size: int = SMALL
    conditional: bool = False
    sealed: bool = False

    @property
    def method(self) -> str:
        return "PUT" if self.path == UPDATE else "GET"

    @property
    def connections(self) -> int:
        return CONNECTIONS if self.size == SMALL else LARGE_CONNECTIONS


GET = Work("GET", READ)
GET_304 = Work("GET, 304", READ, conditional=True)
GET_KEYS = Work("GET with keys", READ_KEYS)
PUT_3 = Work("PUT 3, keys absent", UPDATE)
PUT_3_SEALED = Work("PUT 3, new sealed keys", UPDATE, sealed=True)
PUT_100 = Work("PUT 100, keys absent", UPDATE, LARGE)
PUT_100_SEALED = Work("PUT 100, new sealed keys", UPDATE, LARGE, sealed=True)
WORKS = (GET, GET_304, GET_KEYS, PUT_3, PUT_3_SEALED, PUT_100, PUT_100_SEALED)


class AnswersDiffer(Exception):
    """A contender answers otherwise than the plugin, so comparing them would mean nothing."""


class Course:
    """The contenders over one data set. Each is warmed up by one request of every owner."""

    def __init__(self, stage: Stage, scale: Scale, contenders: Sequence[Contender]) -> None:
        self._stage = stage
        self._scale = scale
        self.contenders = contenders
        self._people = [*people(scale.owners), *people(scale.large_owners, LARGE)]
        self._etags: dict[str, dict[str, str]] = {}
        for contender in contenders:
            self.refill(contender)
            self._etags[contender.name] = self._prime(contender)

    def refill(self, contender: Contender) -> None:
        refill(contender.collection, [contender.document(person) for person in self._people])

    def run(self, work: Work) -> dict[str, dict[str, list[float]]]:
        """Return for each contender its figures of every round, the rounds interleaved."""
        files = self.prepare(work)
        if work.method == "PUT":
            for contender in self.contenders:
                self.refill(contender)
        found: dict[str, dict[str, list[float]]] = {
            contender.name: {"rate": [], "p50": [], "p99": []} for contender in self.contenders
        }
        for _ in range(self._scale.rounds):
            for contender in self.contenders:
                figures = self._load(contender, work, files)
                for name, value in vars(figures).items():
                    found[contender.name][name].append(value)
        return found

    def _load(self, contender: Contender, work: Work, files: dict[str, Path]) -> Figures:
        return load(
            contender.process,
            work.method,
            work.path,
            files[contender.name],
            seconds=self._scale.seconds,
            connections=work.connections,
        )

    def _prime(self, contender: Contender) -> dict[str, str]:
        """Let every token be introspected; return the entity tags of the owners."""
        with client(contender.process) as one:
            answers = {
                person.subject: one.send("GET", READ, person.token) for person in self._people
            }
        wrong = [answer.status for answer in answers.values() if answer.status != 200]
        if wrong:
            raise AnswersDiffer(f"{contender.name}: GET answers {wrong[0]}")
        return {subject: answer.etag for subject, answer in answers.items()}

    def prepare(self, work: Work) -> dict[str, Path]:
        """Write the requests of this work for each contender, and warm it up with them."""
        chosen = [person for person in self._people if person.size == work.size]
        bodies = [self._body(work, person) for person in chosen]
        files, answers = {}, {}
        for contender in self.contenders:
            etags = self._etags[contender.name] if work.conditional else {}
            requests = [
                Request(person.token, etags.get(person.subject, ""), body)
                for person, body in zip(chosen, bodies, strict=True)
            ]
            answers[contender.name] = _warm_up(contender, work, requests)
            name = f"{contender.name}.requests".replace(" ", "-")
            files[contender.name] = write_requests(self._stage.directory / name, requests)
        _require_same(work, answers)
        return files

    def _body(self, work: Work, person: Person) -> str:
        if work.method == "GET":
            return ""
        body = self._stage.dataset.body(person, sealed=work.sealed)
        return json.dumps(body, separators=(",", ":"))


def _warm_up(contender: Contender, work: Work, requests: Sequence[Request]) -> Answer:
    """Send each request once, and return the answer to the first."""
    with client(contender.process) as one:
        answers = [
            one.send(work.method, work.path, each.token, etag=each.etag, body=each.body)
            for each in requests
        ]
    return answers[0]


def _require_same(work: Work, answers: dict[str, Answer]) -> None:
    status = 304 if work.conditional else 200
    expected = None
    for name, answer in answers.items():
        if answer.status != status:
            raise AnswersDiffer(f"{name}: {work.name} answers {answer.status}")
        said = None if status == 304 else _without_ciphertexts(answer.json())
        expected = said if expected is None else expected
        if said != expected:
            raise AnswersDiffer(f"{name}: {work.name} has another body")


def _without_ciphertexts(body: dict[str, Any]) -> dict[str, Any]:
    for entry in body["models"]:
        if entry.get("apiKeyEncrypted"):
            entry["apiKeyEncrypted"] = "ciphertext"
    return body
