"""Schemathesis: answers are as documented, whatever is asked."""

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from kinowatt.app.serve.api import create_app
from kinowatt.app.serve.settings import Settings

load_all_checks()
# Which sizes a model takes is said by the model, not by a schema: 422 is right for many of them.
EXCEPT = [positive_data_acceptance]
schema = schemathesis.openapi.from_asgi("/v1/openapi.json", create_app(Settings(dashboard=False)))


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_answers_are_as_documented(case: schemathesis.Case) -> None:
    case.call_and_validate(excluded_checks=EXCEPT)


def test_the_checks_that_matter_are_among_them() -> None:
    names = {check.__name__ for check in CHECKS.get_all()}
    assert names >= {
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    }
