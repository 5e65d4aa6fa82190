"""Whatever stands in a file, it gives a registry or a `ConfigError`, never another exception."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pool_worker.config import ConfigError, load_registry, read_env_keys
from pool_worker.config.document import Document, parse_document
from pool_worker.config.loading import FILES
from pool_worker.config.mistakes import Mistake
from pool_worker.settings import shipped_config_dir

QUICK = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PROVIDERS = load_registry(shipped_config_dir(), environ={}).providers

_PIECES = (
    "providers: models: free_tier: agents: keys: limits: cache: - { } [ ] , : &a *a <<: *a ? | > ' !!int !!bool !x --- ... # "
    "id: m provider: groq model: x base_url: http://x/${Y} rpm_limit: 3 cost: 1e9 ~ 0x1F 1:30 .inf 1_0 2026-13-45 = é😀 %YAML"
)
YAML_PIECES = [*_PIECES.split(), " ", " ", "  ", "    ", "\n", "\n  ", "\n    - ", "\t", "\x00", '"', "\\UFFFFFFFF"]
NAMES = [
    *("providers", "models", "free_tier", "agents", "keys", "id", "provider", "model", "limits", "unit", "limit", "per", "kind"),
    *("timezone", "base_url", "headers", "metadata", "aliases", "cost", "rpm_limit", "cache", "alerts", "targets", "priority"),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["groq", "tokens", "day", "month", "fixed", "UTC"])
)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=5),
)
TEXTS = (
    st.text()
    | st.lists(st.sampled_from(YAML_PIECES), max_size=30).map("".join)
    | SHAPES.map(lambda shape: yaml.safe_dump(shape, allow_unicode=True))
)


@QUICK
@given(text=TEXTS, file=st.sampled_from([*FILES, "profiles/p.yaml"]))
def test_any_text_as_yaml(tmp_path: Path, text: str, file: str) -> None:
    folder = tmp_path / "configs"
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    for other in FILES[1:]:  # only of the providers the shipped ones stand behind it
        (folder / other).touch()
    (folder / file).write_bytes(text.encode("utf-8", "surrogatepass"))
    profile = "p" if file == "profiles/p.yaml" else None
    try:
        load_registry(folder, profile=profile, environ={})
    except ConfigError as error:
        well_told = [mistake.file.endswith(file) and mistake.problem and mistake.right for mistake in error.mistakes]
    else:
        well_told = [True]
    (folder / file).unlink()
    assert well_told
    assert all(well_told)


@QUICK
@given(content=st.binary(max_size=200))
def test_any_bytes_as_yaml(tmp_path: Path, content: bytes) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes(content)
    with contextlib.suppress(ConfigError):
        load_registry(tmp_path, environ={})


ENV_LINES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["GROQ", "google", "HF", "NOBODY", "", "export GROQ"]),
    st.sampled_from(["_API_KEY", "_API_KEY_1", "_KEY_1_PRIORITY", "_KEY_2_DAILY_LIMIT", "_KEY_1_X", ""]),
    st.sampled_from(["=", " = ", "", "==", "='"]),
    st.text(max_size=6) | st.integers().map(str),
)


@QUICK
@given(text=st.text() | st.lists(ENV_LINES, max_size=6).map("\n".join))
def test_any_text_as_env(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".env"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        assert all(key.secret and key.priority >= 1 for key in read_env_keys(file, PROVIDERS).keys)


@QUICK
@given(text=TEXTS)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_any_text_with_either_reader(loader: type[yaml.SafeLoader], text: str) -> None:
    mistakes: list[Mistake] = []
    assert parse_document(text, Document("x.yaml", mistakes), loader=loader).is_null or not mistakes


@pytest.mark.parametrize(
    "text", ['"\\UFFFFFFFF"', "%YAML " + "9" * 5000 + ".1\n---\n", "[" * 2000, "- " * 2000, "a\x01", "&a [*a]"]
)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_texts_that_neither_reader_may_die_of(loader: type[yaml.SafeLoader], text: str) -> None:
    mistakes: list[Mistake] = []
    assert parse_document(text, Document("x.yaml", mistakes), loader=loader).is_null
    assert len(mistakes) == 1


@pytest.mark.parametrize(
    "text", ["? {a: b}\n: c", "!!bool maybe", "models: !!map [", "a: !!int x", "- - - - -", "%YAML 99999999999999.1\n---\n"]
)
def test_texts_that_once_were_interesting(tmp_path: Path, text: str) -> None:
    for file in FILES:
        (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_registry(tmp_path, environ={})
