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
USUAL = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}
# Each good answer takes a second or so: not every bound of every field in the gate
COSTLY = [
    f"/v1/{name}" for name in ("budget", "explain", "compare", "scaling", "levers", "predict/batch")
]
SAMPLED = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": False}}})
app = create_app(Settings(dashboard=False))
schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app)
sampled = schemathesis.openapi.from_asgi("/v1/openapi.json", app, config=SAMPLED)


@schema.exclude(path=COSTLY).parametrize()
@settings(max_examples=4, **USUAL)
def test_answers_are_as_documented(case: schemathesis.Case) -> None:
    case.call_and_validate(excluded_checks=EXCEPT)


@sampled.include(path=COSTLY).parametrize()
@settings(max_examples=4, **USUAL)
def test_costly_answers_are_as_documented(case: schemathesis.Case) -> None:
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


def test_every_endpoint_of_the_document_is_asked() -> None:
    asked = [each.ok().path for each in schema.exclude(path=COSTLY).get_all_operations()]
    asked += [each.ok().path for each in sampled.include(path=COSTLY).get_all_operations()]
    assert sorted(set(asked)) == sorted(schema.raw_schema["paths"])
    assert {"/v1/explain", "/v1/audit", "/v1/measurements"} <= set(asked)
