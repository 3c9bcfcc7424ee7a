"""What every test runs in."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory):
    """Tests neither read nor fill the cache of the user who runs them."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parallel workers of pytest set COLUMNS, at which messages are wrapped."""
    monkeypatch.delenv("COLUMNS", raising=False)
