"""One validation of the committed rows, for all tests here: it takes some ten seconds."""

import pytest

from kinowatt.analysis.validation.compose import Validation
from kinowatt.app.validating import run


@pytest.fixture(scope="package")
def found() -> Validation:
    return run(None, (), None)
