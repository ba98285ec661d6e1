"""Golden writers rewrite the lines they are asked to, and no other."""

import pytest

from golden_at_hand import main, read


def test_only_the_named_line_is_written(tmp_path):
    file = tmp_path / "kept.txt"
    main(file, "about", ["a", "b"], lambda name: [1.0, 2.0], ".3g", [])
    main(file, "about", ["a", "new", "b"], lambda name: [3.0], ".3g", ["--only", "new"])
    assert read(file) == {"a": [1, 2], "new": [3], "b": [1, 2]} and list(read(file)) == ["a", "new", "b"]
    assert file.read_text().startswith("# about\n")
    main(file, "about", ["a", "b"], lambda name: [4.0], ".3g", ["--only", "a"])  # a row that is gone loses its line
    assert read(file) == {"a": [4], "b": [1, 2]}


def test_a_line_that_nobody_has_written_is_asked_for(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(tmp_path / "kept.txt", "about", ["a", "b"], lambda name: [1.0], ".3g", ["--only", "a"])
    assert "has no line of b" in capsys.readouterr().err
