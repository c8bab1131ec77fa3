import pytest

from kinowatt.analysis.reproduction.compose import compose


@pytest.fixture(scope="session")
def reproduction():
    return compose()


@pytest.fixture(scope="session")
def tables(reproduction):
    return {table.name: table for table in reproduction.tables}
