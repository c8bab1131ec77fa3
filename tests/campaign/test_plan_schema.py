"""The JSON Schema of plans: committed as it is generated, and it accepts what the reader does."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kinowatt.campaign.plan_file import SHIPPED, shipped
from kinowatt.campaign.plan_schema import schema


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """Made once: to check the schema itself takes half a second."""
    return jsonschema.Draft202012Validator(schema())


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = json.loads((SHIPPED / "plan.schema.json").read_text("utf-8"))
    assert committed == schema(), "kinowatt sweep --schema writes it anew"
    jsonschema.Draft202012Validator.check_schema(committed)


@pytest.mark.parametrize("path", shipped().values(), ids=shipped())
def test_shipped_plans_are_valid(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(yaml.safe_load(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"grid": {"frmes": 9}},
        {"grid": {"steps": []}},
        {"grid": {"size": "480"}},
        {"set": {"attention": "flush"}},
        {"gird": {}},
        {"protocol": {"name": "full", "run": 1}},
        {"exclude": {"frames": {"above": 1}}},
    ],
)
def test_what_the_reader_refuses_is_not_valid(
    wrong: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    plan = {"plan": "p", "blocks": [{"models": ["wan-1.3b"]}]}
    validator.validate(plan)
    plan["blocks"] = [{"models": ["wan-1.3b"], **wrong}]
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(plan)
