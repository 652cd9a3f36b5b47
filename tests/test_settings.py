import pytest

from buildstate.settings import BadSettings, Settings, settings_of


def test_there_is_a_default_for_everything() -> None:
    expected = Settings(
        log_level="info", workers=16, sweep_seconds=300, namespaces=(), http_port=8080
    )
    assert expected == settings_of({})


def test_everything_comes_from_the_environment() -> None:
    environment = {
        "BUILDSTATE_LOG_LEVEL": "debug",
        "BUILDSTATE_WORKERS": "4",
        "BUILDSTATE_SWEEP_SECONDS": "12.5",
        "BUILDSTATE_NAMESPACES": "a, b,,c ",
        "BUILDSTATE_HTTP_PORT": "0",
        "PATH": "/bin",
    }
    expected = Settings(
        log_level="debug",
        workers=4,
        sweep_seconds=12.5,
        namespaces=("a", "b", "c"),
        http_port=0,
    )
    assert expected == settings_of(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUILDSTATE_WORKERS", "0"),
        ("BUILDSTATE_WORKERS", "257"),
        ("BUILDSTATE_WORKERS", "many"),
        ("BUILDSTATE_SWEEP_SECONDS", "9"),
        ("BUILDSTATE_SWEEP_SECONDS", "nan"),
        ("BUILDSTATE_SWEEP_SECONDS", "inf"),
        ("BUILDSTATE_HTTP_PORT", "65536"),
        ("BUILDSTATE_HTTP_PORT", "-1"),
        ("BUILDSTATE_LOG_LEVEL", "loud"),
        ("BUILDSTATE_WORKRES", "4"),
        ("BUILDSTATE_QUOTA", "4 cores"),
        ("BUILDSTATE_QUOTA", '{"pods": "many"}'),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"^{name}: "):
        settings_of({name: value})


def test_every_bad_value_is_told_at_once() -> None:
    with pytest.raises(BadSettings) as error:
        settings_of({"BUILDSTATE_WORKERS": "0", "BUILDSTATE_HTTP_PORT": "x"})
    assert ["BUILDSTATE_WORKERS", "BUILDSTATE_HTTP_PORT"] == [
        line.partition(":")[0] for line in str(error.value).split("; ")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", None), (" ", None), ("{}", {}), ('{"pods": 3}', {"pods": "3"})],
)
def test_the_size_of_quotas_is_json_and_an_empty_one_is_left_to_the_namespaces(
    text: str, expected: dict[str, str] | None
) -> None:
    assert expected == settings_of({"BUILDSTATE_QUOTA": text}).quota
