"""Every kind of mistake, with the sentence that a person reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pool_worker.config import ConfigError, load_registry
from pool_worker.registry import Key

WriteConfigs = Callable[[dict[str, str]], Path]
PROVIDER = "providers:\n  acme:\n    base_url: https://acme.example/v1\n"
MODEL = "models:\n  free_tier:\n    - id: m\n      provider: groq\n      model: x\n"
PAID = "models:\n  paid_tier:\n    - id: m\n      provider: openai\n      model: x\n"


def mistakes_of(folder: Path, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_registry(folder, environ={}, **options)
    assert str(caught.value) == "\n".join(map(str, caught.value.mistakes))
    return str(caught.value).splitlines()


TABLE = [
    # single values
    (
        "models.yaml",
        MODEL + "      rpm_limit: thirty\n",
        '6: models.free_tier[0].rpm_limit: "thirty" is not a whole number; write e.g. 30',
    ),
    ("models.yaml", MODEL + "      rpm_limit: -3\n", "6: models.free_tier[0].rpm_limit: -3 is too small; write 1 or more"),
    (
        "models.yaml",
        MODEL + "      rpm_limit: 2.5\n",
        "6: models.free_tier[0].rpm_limit: 2.5 is not a whole number; write e.g. 30",
    ),
    (
        "models.yaml",
        MODEL + '      rpm_limit: "30"\n',
        '6: models.free_tier[0].rpm_limit: "30" is text, not a whole number; write it without the quotes',
    ),
    (
        "models.yaml",
        MODEL + "      rpm_limit: [30]\n",
        "6: models.free_tier[0].rpm_limit: a list is not a whole number; write e.g. 30",
    ),
    (
        "models.yaml",
        MODEL + "      rpm_limit: 1e300\n",
        '6: models.free_tier[0].rpm_limit: "1e300" is too large; write 1000000000000000 or less',
    ),
    ("models.yaml", MODEL + "      cost: -0.5\n", "6: models.free_tier[0].cost: -0.5 is too small; write 0 or more"),
    ("models.yaml", MODEL + "      cost: .nan\n", "6: models.free_tier[0].cost: .nan is not a number; write e.g. 0.5"),
    ("models.yaml", MODEL + "      discount: 50\n", "6: models.free_tier[0].discount: 50 is too large; write 1 or less"),
    (
        "models.yaml",
        PAID + "      cost_per_1k_cached_input_tokens: 0.001\n",
        (
            "6: models.paid_tier[0].cost_per_1k_cached_input_tokens: 0.001 stands without a price of the other input; "
            "write cost_per_1k_input_tokens and cost_per_1k_output_tokens beside it"
        ),
    ),
    (
        "models.yaml",
        PAID + "      cost_per_1k_tokens: 0.2\n      cost_per_1k_cached_input_tokens: 0.3\n",
        "7: models.paid_tier[0].cost_per_1k_cached_input_tokens: 0.3 is more than other input costs (0.2); write 0.2 or less",
    ),
    (
        "models.yaml",
        "cost_management:\n  unknown_price: forbid\n",
        '2: cost_management.unknown_price: "forbid" is not possible here; there are allow, refuse',
    ),
    (
        "models.yaml",
        MODEL + "      is_active: perhaps\n",
        '6: models.free_tier[0].is_active: "perhaps" is neither true nor false; write true or false',
    ),
    (
        "models.yaml",
        MODEL + "      capabilities: coding\n",
        '6: models.free_tier[0].capabilities: "coding" is not a list; write e.g. [a, b], or one item a line, each after a dash',
    ),
    (
        "models.yaml",
        MODEL + "      capabilities: [two words]\n",
        (
            '6: models.free_tier[0].capabilities[0]: "two words" cannot be a name; '
            "write at most 128 of the characters A-Z a-z 0-9 _ . : / @ + -"
        ),
    ),
    (
        "models.yaml",
        MODEL + "      metadata: much\n",
        '6: models.free_tier[0].metadata: "much" is not a mapping; write names and values, e.g. name: value',
    ),
    (
        "models.yaml",
        MODEL + "      context_window: 10\n      max_output_tokens: 11\n",
        "7: models.free_tier[0].max_output_tokens: 11 is more than the context window of 10; write 10 or less",
    ),
    # names
    (
        "models.yaml",
        MODEL + "      rpm_limt: 30\n",
        '6: models.free_tier[0].rpm_limt: "rpm_limt" is not known here; did you mean "rpm_limit"?',
    ),
    (
        "pool.yaml",
        "failover_strategy:\n  max_attempts: 3\n",
        '1: failover_strategy: "failover_strategy" is not known here; it belongs in models.yaml',
    ),
    ("models.yaml", "cache: {}\n", '1: cache: "cache" is not known here; it belongs in pool.yaml'),
    ("models.yaml", "modles: {}\n", '1: modles: "modles" is not known here; did you mean "models"?'),
    (
        "models.yaml",
        "models:\n  gratis: []\n",
        '2: models.gratis: "gratis" is not known here; there are free_tier, local_tier, paid_tier, premium_tier',
    ),
    (
        "models.yaml",
        MODEL + "      model: y\n",
        '6: models.free_tier[0].model: "model" stands here twice (first on line 5); keep one of the two',
    ),
    ("models.yaml", "? [a, b]\n: c\n", "1: a list is no name; write one word before the colon"),
    (
        "models.yaml",
        MODEL.replace("groq", "googel"),
        '4: models.free_tier[0].provider: "googel" is not a provider of providers.yaml; did you mean "google"?',
    ),
    (
        "models.yaml",
        MODEL + "    - id: m\n      provider: groq\n      model: y\n",
        (
            '6: models.free_tier[1]: a mapping has the id "m", as does models.free_tier[0] (line 3); '
            "give each model an id of its own"
        ),
    ),
    (
        "models.yaml",
        "models:\n  free_tier:\n    - provider: groq\n      model: x\n",
        "3: models.free_tier[0].id: is missing; write e.g. id: groq_gpt_oss",
    ),
    (
        "models.yaml",
        "failover_strategy:\n  fallback_model: none_such\n",
        '2: failover_strategy.fallback_model: "none_such" is not the id of a model; there are none',
    ),
    (
        "models.yaml",
        "failover_strategy:\n  priority: [free]\n",
        '2: failover_strategy.priority[0]: "free" is not possible here; did you mean "free_tier"?',
    ),
    (
        "models.yaml",
        "failover_strategy:\n  max_attempts: 0\n",
        "2: failover_strategy.max_attempts: 0 is too small; write 1 or more",
    ),
    (
        "models.yaml",
        "cost_management:\n  alert_threshold: 80\n",
        "2: cost_management.alert_threshold: 80 is too large; write 1 or less",
    ),
    # prices
    (
        "models.yaml",
        PAID + "      cost_per_1k_tokens: 1\n      cost_per_1k_output_tokens: 1\n",
        (
            "6: models.paid_tier[0].cost_per_1k_tokens: 1 stands beside cost_per_1k_output_tokens; "
            "write either cost_per_1k_tokens, or cost_per_1k_input_tokens and cost_per_1k_output_tokens"
        ),
    ),
    (
        "models.yaml",
        PAID + "      cost_per_1k_input_tokens: 1\n",
        "3: models.paid_tier[0].cost_per_1k_output_tokens: is missing; write it beside cost_per_1k_input_tokens",
    ),
    # windows
    (
        "models.yaml",
        MODEL + "      limits: [{unit: requests, limit: 5, per: month, kind: sliding}]\n",
        '6: models.free_tier[0].limits[0].kind: "sliding" does not fit a month; write kind: fixed, as months are calendar months',
    ),
    (
        "models.yaml",
        MODEL + "      limits: [{unit: requests, limit: 5, per: day, timezone: Mars/Base}]\n",
        '6: models.free_tier[0].limits[0].timezone: "Mars/Base" is not a time zone; write e.g. UTC or America/Los_Angeles',
    ),
    (
        "models.yaml",
        MODEL + "      limits: [{unit: requests, limit: 5, per: day, timezone: America/Los_Angles}]\n",
        '6: models.free_tier[0].limits[0].timezone: "America/Los_Angles" is not a time zone; did you mean "America/Los_Angeles"?',
    ),
    (
        "models.yaml",
        MODEL + "      limits: [{unit: requests, limit: 5, per: minute, timezone: UTC}]\n",
        (
            '6: models.free_tier[0].limits[0].timezone: "UTC" means nothing for a window of kind sliding; '
            "leave it out, or write kind: fixed"
        ),
    ),
    (
        "models.yaml",
        MODEL + "      limits: [{unit: requests, limit: 5, per: day}, {unit: requests, limit: 6, per: day}]\n",
        "6: models.free_tier[0].limits[1]: a mapping limits requests per day a second time; keep one of the two",
    ),
    (
        "models.yaml",
        MODEL + "      rpd_limit: 4\n      limits: [{unit: requests, limit: 5, per: day}]\n",
        "6: models.free_tier[0].rpd_limit: 4 is said a second time under limits; keep one of the two",
    ),
    (
        "models.yaml",
        MODEL + "      limits: [{limit: 5, per: day}]\n",
        "6: models.free_tier[0].limits[0].unit: is missing; write e.g. {unit: requests, limit: 30, per: minute, kind: sliding}",
    ),
    # providers
    (
        "providers.yaml",
        "providers:\n  acme: {}\n",
        "2: providers.acme.base_url: is missing; write e.g. base_url: https://api.example.com/v1",
    ),
    (
        "providers.yaml",
        PROVIDER.replace("https", "ftp"),
        '3: providers.acme.base_url: "ftp://acme.example/v1" is not an address; write e.g. https://api.example.com/v1',
    ),
    (
        "providers.yaml",
        PROVIDER + "    protocol: grpc\n",
        '4: providers.acme.protocol: "grpc" is not possible here; there are anthropic, chat, cohere, gemini',
    ),
    (
        "providers.yaml",
        PROVIDER + "    disabled_reason: too slow\n",
        (
            '4: providers.acme.disabled_reason: "too slow" is the reason of a provider that is enabled; '
            "write enabled: false as well, or leave it out"
        ),
    ),
    (
        "providers.yaml",
        PROVIDER + '    headers: {x: "a\\nb"}\n',
        "4: providers.acme.headers.x: the value cannot stand in a header; write one line of plain ASCII",
    ),
    (
        "providers.yaml",
        PROVIDER.replace("acme:", "Acme:"),
        '3: providers.Acme: a mapping belongs to "Acme", which cannot be an id; write at most 64 of the characters a-z 0-9 - _',
    ),
    (
        "providers.yaml",
        PROVIDER + "  other:\n    base_url: http://x\n    aliases: [acme]\n",
        '5: providers.other: a mapping goes by the name "acme", as does acme; let every id and alias name one provider',
    ),
    # agents and the pool
    (
        "agents.yaml",
        "agents:\n  a:\n    priority: urgent\n",
        '3: agents.a.priority: "urgent" is not possible here; there are critical, high, low, normal',
    ),
    ("agents.yaml", "agents:\n  a: {temperature: 3}\n", "2: agents.a.temperature: 3 is too large; write 2 or less"),
    ("pool.yaml", "timezone: Europe/Berln\n", '1: timezone: "Europe/Berln" is not a time zone; did you mean "Europe/Berlin"?'),
    (
        "pool.yaml",
        "alerts:\n  targets: [tok3n-of-a-service]\n",
        "2: alerts.targets[0]: the value is not an Apprise address; write e.g. mailto://user@example.com",
    ),
    # whole files
    ("agents.yaml", "agents: [a\n", "2: is not YAML: did not find expected ',' or ']'; mend it there or just above"),
    (
        "agents.yaml",
        "agents:\n\ta: 1\n",
        "2: is not YAML: found character that cannot start any token; indent with blanks, not with tabs",
    ),
    (
        "agents.yaml",
        "agents: &a\n  x: *a\n",
        "is not YAML: too large, or nested in itself, once its aliases (*name) are written out; mend it there or just above",
    ),
    ("agents.yaml", "[" * 300 + "]" * 300, "is not YAML: nested too deeply; mend it there or just above"),
    ("agents.yaml", "a\x01b", "1: is not YAML: character #x0001 is not allowed; mend it there or just above"),
    (
        "agents.yaml",
        '"\\UFFFFFFFF"',
        "1: is not YAML: found invalid Unicode character escape code; mend it there or just above",
    ),
    ("agents.yaml", "- a\n", "1: a list is not a mapping; write names and values, e.g. name: value"),
]


@pytest.mark.parametrize(("file", "content", "sentence"), TABLE)
def test_a_mistake_is_told_with_place_value_and_what_would_be_right(
    write_configs: WriteConfigs, file: str, content: str, sentence: str
) -> None:
    folder = write_configs({file: content})
    told = mistakes_of(folder)
    assert len(told) == 1
    place = f"configs/{file}:" if sentence[0].isdigit() else f"configs/{file}: "
    assert told[0] == place + sentence


def test_all_mistakes_of_all_files_are_told_at_once_in_order(write_configs: WriteConfigs) -> None:
    folder = write_configs(
        {
            "models.yaml": MODEL + "      rpm_limit: many\n      priority: high\n",
            "agents.yaml": "agents:\n  a:\n    weight: 0\n",
            "pool.yaml": "cash: {}\n",
        }
    )
    assert [line.split(" ")[0] for line in mistakes_of(folder)] == [
        "configs/agents.yaml:3:",
        "configs/models.yaml:6:",
        "configs/models.yaml:7:",
        "configs/pool.yaml:1:",
    ]


def test_a_mistake_is_also_data(write_configs: WriteConfigs) -> None:
    with pytest.raises(ConfigError) as caught:
        load_registry(write_configs({"pool.yaml": "cache:\n  ttl_s: soon\n"}), environ={})
    (mistake,) = caught.value.mistakes
    assert (mistake.file, mistake.line, mistake.path) == ("configs/pool.yaml", 2, "cache.ttl_s")
    assert (mistake.value, mistake.problem, mistake.right) == ('"soon"', "is not a whole number", "write e.g. 3600")


def test_aliases_that_would_grow_without_bound_are_refused(write_configs: WriteConfigs) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (told,) = mistakes_of(write_configs({"agents.yaml": "\n".join(lines)}))
    assert "too large" in told


def test_a_folder_without_configuration(write_configs: WriteConfigs, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    files = "providers.yaml, models.yaml, agents.yaml, pool.yaml"
    assert mistakes_of(write_configs({})) == [f"configs: has no configuration file; name a folder with any of {files}"]
    assert mistakes_of(tmp_path / "none") == [f"none: is not a folder; name a folder with any of {files}"]


def test_a_file_that_is_no_text(write_configs: WriteConfigs, tmp_path: Path) -> None:
    folder = write_configs({"pool.yaml": ""})
    (tmp_path / "configs" / "pool.yaml").write_bytes(b"cache: \xff")
    assert mistakes_of(folder) == ["configs/pool.yaml: is not UTF-8 text (byte 7); save it as UTF-8"]
    (tmp_path / "configs" / "agents.yaml").mkdir()
    assert mistakes_of(folder)[0] == "configs/agents.yaml: cannot be read (Is a directory); check the path and its rights"


def test_an_address_lacks_its_variable_only_if_there_are_keys(write_configs: WriteConfigs) -> None:
    row = "providers:\n  acme:\n    base_url: https://acme.example/${ACME_ACCOUNT}/v1\n"
    folder = write_configs({"providers.yaml": row, "models.yaml": ""})
    without = load_registry(folder, environ={}).providers["acme"]
    assert (without.enabled, without.disabled_reason) == (False, "ACME_ACCOUNT is not set")
    (told,) = mistakes_of(folder, keys=[Key("acme#1", "acme")])
    assert told == (
        'configs/providers.yaml:3: providers.acme.base_url: "https://acme.example/${ACME_ACCOUNT}/v1" needs ACME_ACCOUNT, '
        "which is not set; set ACME_ACCOUNT in the environment or in .env"
    )


@pytest.mark.parametrize("name", ["thirty_two_keys", "../pool", "", "a/b"])
def test_an_unknown_profile(write_configs: WriteConfigs, name: str) -> None:
    (told,) = mistakes_of(write_configs({"pool.yaml": ""}), profile=name)
    assert told.startswith(f'configs/profiles: "{name}" is not a profile; ')
    assert "thirty-two-keys" in told


def test_a_shipped_profile_does_not_fit_providers_it_does_not_know(write_configs: WriteConfigs) -> None:
    folder = write_configs({"providers.yaml": PROVIDER, "models.yaml": ""})
    told = mistakes_of(folder, profile="thirty-two-keys")
    assert any("providers.groq.base_url: is missing" in line for line in told)


def test_mistakes_of_a_profile(write_configs: WriteConfigs) -> None:
    profile = "keys: {grok: 7, groq: many}\nproviders:\n  groq: {priority: top}\n"
    assert mistakes_of(write_configs({"profiles/mine.yaml": profile}), profile="mine") == [
        'configs/profiles/mine.yaml:1: keys.grok: 7 are keys of "grok", which is not a provider; did you mean "groq"?',
        'configs/profiles/mine.yaml:1: keys.groq: "many" is not a whole number; write e.g. 7',
        'configs/profiles/mine.yaml:3: providers.groq.priority: "top" is not a whole number; write e.g. 30',
    ]
