"""The configuration that ships, and the design documents' own files beside it."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from pool_client.job import OnExhausted, Priority, Tier, Usage
from pool_worker.config import load_profile, load_registry
from pool_worker.registry import Charges, Key, Period, PoolRules, Price, Registry, Unit, UnitRate, Window, WindowKind
from pool_worker.settings import shipped_config_dir


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load_registry(shipped_config_dir(), environ={})


@pytest.fixture(scope="module")
def rehearsal() -> Registry:
    return load_registry(shipped_config_dir(), profile="thirty-two-keys", environ={})


def window(registry: Registry, model: str, unit: Unit, per: Period) -> Window:
    (found,) = (each for each in registry.windows_of(registry.models[model]) if (each.unit, each.per) == (unit, per))
    return found


def test_every_provider_has_a_row(shipped: Registry) -> None:
    assert set(shipped.providers) == {
        *("groq", "cerebras", "gemini", "openrouter", "mistral", "codestral", "github", "cloudflare", "huggingface"),
        *("cohere", "nvidia", "openai", "anthropic", "ollama"),
    }
    disabled = {each.id: each.disabled_reason for each in shipped.providers.values() if not each.enabled}
    assert disabled == {
        "github": "GitHub Models was retired on 2026-07-30",
        "cloudflare": "CLOUDFLARE_ACCOUNT_ID is not set",
    }


def test_rows_say_what_is_peculiar(shipped: Registry) -> None:
    rows = shipped.providers
    assert rows["cerebras"].charges is Charges.UPFRONT
    assert rows["groq"].daily_unit is Unit.TOKENS
    assert rows["gemini"].daily_unit is Unit.REQUESTS
    assert rows["gemini"].base_url == "https://generativelanguage.googleapis.com/v1beta"
    assert (rows["gemini"].protocol, rows["gemini"].api_key_header) == ("gemini", "x-goog-api-key")
    assert Window(Unit.REQUESTS, 20, Period.DAY, WindowKind.FIXED, "America/Los_Angeles") in rows["gemini"].limits
    assert Window(Unit.USD, 100_000, Period.MONTH, WindowKind.FIXED) in rows["huggingface"].limits
    assert rows["openrouter"].limits_shared
    assert not rows["groq"].limits_shared
    assert (rows["ollama"].tier, rows["ollama"].needs_key) == (Tier.LOCAL, False)
    assert (rows["cohere"].protocol, rows["cohere"].base_url) == ("cohere", "https://api.cohere.com/v2")
    assert (rows["anthropic"].protocol, rows["anthropic"].api_key_header) == ("anthropic", "x-api-key")


def test_addresses_take_what_the_environment_says() -> None:
    environ = {"CLOUDFLARE_ACCOUNT_ID": "abc", "OLLAMA_BASE_URL": "http://box:1/v1/"}
    rows = load_registry(shipped_config_dir(), environ=environ).providers
    assert rows["cloudflare"].base_url == "https://api.cloudflare.com/client/v4/accounts/abc/ai/v1"
    assert rows["cloudflare"].enabled
    assert rows["ollama"].base_url == "http://box:1/v1"


def test_enough_models_of_every_tier_and_each_task_type_has_free_ones(shipped: Registry) -> None:
    active = [model for model in shipped.models.values() if model.is_active]
    assert len(active) >= 10
    assert {model.tier for model in shipped.models.values()} == set(Tier)
    assert all(model.price_known and model.context_window for model in shipped.models.values())
    assert all(model.price != Price() for model in shipped.models.values() if model.tier in {Tier.PAID, Tier.PREMIUM})
    free = [model for model in active if model.tier is Tier.FREE]
    for task_type, needed in shipped.task_capabilities.items():
        tier = active if task_type == "deep_analysis" else free
        assert any(needed <= model.capabilities for model in tier), task_type


def test_models_inherit_windows_and_say_what_differs(shipped: Registry) -> None:
    assert shipped.models["groq_gpt_oss_120b"].limits is None
    compound = shipped.windows_of(shipped.models["groq_compound"])
    assert compound == (
        Window(Unit.REQUESTS, 30, Period.MINUTE, WindowKind.SLIDING),
        Window(Unit.REQUESTS, 250, Period.DAY, WindowKind.REFILL),
        Window(Unit.TOKENS, 70_000, Period.MINUTE, WindowKind.REFILL),
    )
    gemma = window(shipped, "gemini_gemma", Unit.INPUT_TOKENS, Period.MINUTE)
    assert gemma.limit == 15_000
    assert window(shipped, "gemini_gemma", Unit.REQUESTS, Period.DAY).timezone == "America/Los_Angeles"


def test_neurons_are_counted_from_tokens(shipped: Registry) -> None:
    rate = shipped.models["cloudflare_gpt_oss_120b"].unit_rate
    assert rate == UnitRate(Decimal(31818), Decimal(68182))
    assert rate.milli_units(Usage(input_tokens=1000, output_tokens=100)) == 38_637


def test_the_six_agents(shipped: Registry) -> None:
    assert set(shipped.agents) == {
        *("ai_manager", "performance_monitor", "log_analyzer", "security_monitor", "database_manager", "backup_recovery"),
    }
    security = shipped.agents["security_monitor"]
    assert (security.priority, security.on_exhausted, security.deadline_s) == (Priority.CRITICAL, OnExhausted.DEGRADE, 60.0)
    assert shipped.agents["backup_recovery"].daily_budget_usd == Decimal("0.50")
    assert all(agent.task_type in shipped.task_capabilities for agent in shipped.agents.values())


def test_the_shipped_rules_are_the_defaults_as_the_file_says(shipped: Registry) -> None:
    assert shipped.rules == PoolRules()
    assert shipped.budget.daily_usd == 10
    assert shipped.failover.tiers == (Tier.FREE, Tier.PAID, Tier.PREMIUM)


def test_the_design_document_loads_unchanged(tmp_path: Path, data: Path) -> None:
    shutil.copy(data / "design-models.yaml", tmp_path / "models.yaml")
    registry = load_registry(tmp_path, environ={})
    assert list(registry.models) == [
        "groq_llama_70b",
        "gemini_flash",
        "mistral_free",
        "gpt4_turbo",
        "claude_opus",
        "command_r_plus",
    ]
    llama = registry.models["groq_llama_70b"]
    assert (llama.provider, llama.name, llama.tier) == ("groq", "llama-3.3-70b-versatile", Tier.FREE)
    assert (llama.price, llama.price_known) == (Price(), True)
    assert llama.capabilities == {"reasoning", "coding", "analysis"}
    tokens = window(registry, "groq_llama_70b", Unit.TOKENS, Period.MINUTE)
    assert tokens == Window(Unit.TOKENS, 15_000, Period.MINUTE, WindowKind.REFILL)
    assert window(registry, "groq_llama_70b", Unit.TOKENS, Period.DAY).limit == 200_000
    assert registry.models["gemini_flash"].provider == "gemini"
    assert window(registry, "gemini_flash", Unit.REQUESTS, Period.MINUTE).limit == 15
    turbo = registry.models["gpt4_turbo"]
    assert (turbo.tier, turbo.price) == (Tier.PAID, Price(Decimal(10), Decimal(10)))
    assert turbo.price.cost_usd(Usage(input_tokens=1, output_tokens=2)) == Decimal("0.00003")
    assert registry.failover.tiers == (Tier.FREE, Tier.PAID)
    assert (registry.failover.retry_attempts, registry.failover.fallback_model) == (3, "groq_llama_70b")
    assert (registry.budget.daily_usd, registry.budget.alert_threshold, registry.budget.auto_pause) == (10, Decimal("0.8"), True)


def test_the_rehearsal_has_thirty_two_keys_and_seven_hundred_requests_a_minute(rehearsal: Registry) -> None:
    counts = {"cerebras": 7, "groq": 7, "openrouter": 7, "mistral": 1, "codestral": 1, "github": 1, "cloudflare": 1, "gemini": 7}
    assert {each: len(rehearsal.keys_of(each)) for each in counts} == counts
    assert len(rehearsal.keys) == 32
    assert len({key.group for key in rehearsal.keys}) == 32
    assert rehearsal.keys[0] == Key("cerebras#1", "cerebras")
    assert {model.provider for model in rehearsal.usable_models()} == set(counts)
    per_minute = {
        model.provider: limit.limit
        for model in rehearsal.usable_models()
        for limit in rehearsal.windows_of(model)
        if (limit.unit, limit.per) == (Unit.REQUESTS, Period.MINUTE)
    }
    assert sum(limit * counts[provider] for provider, limit in per_minute.items()) == 700
    ranked = sorted(rehearsal.usable_models(), key=lambda model: -model.priority)
    assert [model.priority for model in ranked] == [95, 85, 75, 70, 65, 60, 55, 40]


def test_a_rehearsal_without_its_models_uses_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "tiny.yaml").write_text(
        "keys: {google: 2}\nproviders:\n  gemini: {priority: 99}\n", encoding="utf-8"
    )
    registry = load_registry(tmp_path, profile="tiny", environ={})
    assert [key.id for key in registry.keys] == ["gemini#1", "gemini#2"]
    assert registry.models["gemini_flash"].priority == 99
    assert registry.providers["gemini"].limits == load_registry(tmp_path, environ={}).providers["gemini"].limits


def test_what_a_profile_says_of_itself() -> None:
    profile = load_profile(shipped_config_dir(), "thirty-two-keys")
    assert (profile.name, sum(profile.key_counts.values())) == ("thirty-two-keys", 32)
    assert profile.description == "8 providers, 32 keys, 700 requests a minute"


def test_the_simulator_takes_the_place_of_every_address(rehearsal: Registry) -> None:
    url = "http://127.0.0.1:8900/"
    rows = load_registry(shipped_config_dir(), profile="thirty-two-keys", simulator_url=url, environ={}).providers
    assert rows["groq"].base_url == "http://127.0.0.1:8900/groq/openai/v1"
    assert rows["gemini"].base_url == "http://127.0.0.1:8900/gemini/v1beta"
    assert rows["cloudflare"].base_url == "http://127.0.0.1:8900/cloudflare/client/v4/accounts/simulated/ai/v1"
    assert rehearsal.providers["groq"].base_url == "https://api.groq.com/openai/v1"


def test_in_a_simulation_no_variable_of_an_address_is_missed() -> None:
    row = load_registry(shipped_config_dir(), simulator_url="http://127.0.0.1:1", environ={}, keys=[Key("c#1", "cloudflare")])
    assert row.providers["cloudflare"].enabled
    assert row.providers["cloudflare"].base_url == "http://127.0.0.1:1/cloudflare/client/v4/accounts/simulated/ai/v1"


def test_a_provider_we_never_heard_of_is_as_good_as_one_of_ours(tmp_path: Path) -> None:
    (tmp_path / "providers.yaml").write_text("providers:\n  acme: {base_url: 'https://acme.example/v1'}\n", encoding="utf-8")
    models = "models:\n  paid_tier:\n    - {id: m, provider: acme, model: big, rpm_limit: 5, rpd_limit: 9}\n"
    (tmp_path / "models.yaml").write_text(models, encoding="utf-8")
    registry = load_registry(tmp_path, keys=[Key("acme#1", "acme")], environ={})
    assert [model.id for model in registry.usable_models()] == ["m"]
    assert registry.models["m"].limits == (
        Window(Unit.REQUESTS, 5, Period.MINUTE, WindowKind.SLIDING),
        Window(Unit.REQUESTS, 9, Period.DAY, WindowKind.FIXED),
    )
    assert not registry.models["m"].price_known


def test_shipped_models_without_a_row_of_their_provider_are_just_not_there(tmp_path: Path) -> None:
    (tmp_path / "providers.yaml").write_text("providers:\n  groq: {base_url: 'https://x.example/v1'}\n", encoding="utf-8")
    assert {model.provider for model in load_registry(tmp_path, environ={}).models.values()} == {"groq"}


def test_money_is_what_is_written_to_the_last_digit(tmp_path: Path) -> None:
    entry = (
        "{id: m, provider: openai, model: x, cost: 0.1, cost_per_1k_input_tokens: 0.0000375, cost_per_1k_output_tokens: 1_0.7}"
    )
    (tmp_path / "models.yaml").write_text(f"models:\n  paid_tier:\n    - {entry}\n", encoding="utf-8")
    price = load_registry(tmp_path, environ={}).models["m"].price
    assert price == Price(Decimal("0.0375"), Decimal(10_700), Decimal("0.1"))


def test_metadata_is_plain_data(tmp_path: Path) -> None:
    listed = "[1, 2.5, yes, null, 010, 2026-01-01, 'q', 1:30, .inf, !!bool x]"
    entry = f"{{id: m, provider: groq, model: x, metadata: {{a: {listed}, b: {{c: d}}}}}}"
    (tmp_path / "models.yaml").write_text(f"models:\n  free_tier:\n    - {entry}\n", encoding="utf-8")
    metadata = load_registry(tmp_path, environ={}).models["m"].metadata
    assert metadata == {"a": [1, 2.5, True, None, 10, "2026-01-01", "q", "1:30", ".inf", "x"], "b": {"c": "d"}}


@pytest.mark.parametrize("name", ["providers.yaml", "models.yaml", "agents.yaml", "pool.yaml", "profiles/thirty-two-keys.yaml"])
def test_shipped_files_are_read_alike_by_any_yaml_reader(repository: Path, name: str) -> None:
    assert yaml.safe_load((repository / "configs" / name).read_text(encoding="utf-8"))


def test_the_design_files_are_those_of_the_documents(repository: Path, data: Path) -> None:
    shared = repository.parent / "shared" / "data"
    if not shared.is_dir():
        pytest.skip("the design documents are not beside this checkout")
    for name in ("design-models.yaml", "design.env"):
        assert (data / name).read_bytes() == (shared / name).read_bytes()
