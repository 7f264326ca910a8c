"""The generated reference of the settings says what the code says."""

from onehertz import reference


def test_the_configuration_reference_has_not_drifted() -> None:
    checked_in = reference.FILE.read_text(encoding="utf-8")
    assert checked_in == reference.render(), "run: python -m onehertz.reference"


def test_every_setting_of_a_section_says_what_it_means() -> None:
    silent = [
        line
        for line in reference.render().splitlines()
        if line.startswith("| `") and line.endswith("|  |") and ".kind`" not in line
        and not line.startswith("| `kind`") and not line.startswith("| `severity`")
    ]  # fmt: skip
    assert silent == []
