"""Schemathesis makes the requests from our own document: what it describes is what happens."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.conftest import REQUESTS, share
from tests.fuzz.target import Target


def operations(target: Target) -> Any:
    schema: Any = schemathesis.openapi.from_dict(dict(target.document.raw))
    schema.config.update(base_url=f"http://127.0.0.1:{target.gateway.port}")
    return schema


def judge(target: Target, case: Any, response: Any) -> None:
    found = {name: values[0] for name, values in response.headers.items()}
    target.note(case.method, case.path, response.status_code, found, response.content)


def test_every_operation_answers_as_the_document_says(target: Target) -> None:
    schema = operations(target)
    cases = st.one_of(*(found.ok().as_strategy() for found in schema.get_all_operations()))

    @given(case=cases)
    @share(10)
    def run(case: Any) -> None:
        response = case.call(headers={"Authorization": target.auth["bob"]})
        judge(target, case, response)

    run()


def test_what_follows_from_an_answer_answers_as_the_document_says(target: Target) -> None:
    class Workflow(operations(target).as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            # Each run of the same steps must find the same: nothing.
            super().setup()
            headers = {"Authorization": target.auth["bob"]}
            target.send("DELETE", "/api/v1/delete/ai-model-config", headers=headers)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Authorization": target.auth["bob"]}}

        def validate_response(self, response: Any, case: Any, **_given: Any) -> None:
            judge(target, case, response)

    steps = 8
    examples = max(1, REQUESTS * 3 // 100 // steps)
    run_state_machine_as_test(
        Workflow,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
