"""Schemathesis, many more answers: they are thought out while tests are collected, for seconds."""

import pytest
import schemathesis
from hypothesis import settings

from app.serve.test_schema import EXCEPT, USUAL, schema

pytestmark = pytest.mark.torture


@schema.parametrize()
@settings(max_examples=50, **USUAL)
def test_many_more_answers_are_as_documented(case: schemathesis.Case) -> None:
    case.call_and_validate(excluded_checks=EXCEPT)
