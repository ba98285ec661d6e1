import json
import re
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from rich.text import Text
from typer.testing import CliRunner

import clips_at_hand as clips
import tamperlens
from faces_at_hand import hopper, hopper_face
from tamperlens.cli import console
from tamperlens.models.runtime import DEFAULT_MODEL

VERDICTS = {"manipulated", "no_evidence", "inconclusive"}


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of one call, as a shell would see them."""
    result = CliRunner().invoke(console.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "hopper.png"
    Image.fromarray(hopper()).save(path)
    return path


def test_a_table_for_people(photo) -> None:
    code, out, err = run("inspect", photo)
    assert code == 0 and err == ""
    assert re.search(r"hopper\.png: (manipulated|no evidence|inconclusive)\n  1 of 1 face: ", out)
    assert re.search(r"face +box x0 y0 x1 y1 +score +marked +verdict", out)
    assert "scores are calibrated" in out and "evidence, not proof" in out and tamperlens.inspect(photo).limits[0] in out


def test_one_json_object_per_file(photo, tmp_path) -> None:
    plain = tmp_path / "plain.png"
    Image.fromarray(np.full((300, 400, 3), 90, np.uint8)).save(plain)
    code, out, _ = run("inspect", "--json", photo, plain)
    first, second = (json.loads(line) for line in out.splitlines())
    assert code == 0
    assert first["path"] == str(photo) and first["verdict"] in VERDICTS and 0 <= first["score"] <= 1
    (face,) = first["faces"]
    x0, y0, x1, y1 = face["box"]
    assert 0 < x0 < x1 < 512 and 0 < y0 < y1 < 600
    assert face["verdict"] in VERDICTS and 0 <= face["score"] <= 1 and 0 <= face["mask_area"] <= 1
    assert second["verdict"] == "inconclusive" and second["faces"] == [] and second["score"] is None
    assert "no face was found" in second["reasons"][0]


def test_json_and_the_python_interface_say_the_same(photo) -> None:
    record = json.loads(run("inspect", "--json", photo)[1])
    inspection = tamperlens.inspect(photo)
    assert record["verdict"] == inspection.verdict and record["score"] == round(inspection.score, 4)


def test_pictures_have_the_photos_size(photo, tmp_path) -> None:
    run("inspect", photo, "--out", tmp_path / "out")
    inspection = tamperlens.inspect(photo)
    overlay, pixel_map, mask = (
        np.asarray(Image.open(tmp_path / "out" / f"hopper.{kind}.png")) for kind in ("overlay", "pixelmap", "mask")
    )
    assert overlay.shape == (600, 512, 3) and pixel_map.shape == mask.shape == (600, 512)
    assert np.array_equal(pixel_map, np.rint(inspection.pixel_map * 255).astype(np.uint8))
    assert np.array_equal(mask > 0, inspection.mask)


def test_files_of_one_name_do_not_overwrite_each_other(photo, tmp_path) -> None:
    other = tmp_path / "other" / "hopper.jpg"
    other.parent.mkdir()
    Image.fromarray(hopper()).save(other)
    run("inspect", photo, other, "--out", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.overlay.png"))) == 2


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Bad input: what it is -> path, words that the one-line error holds."""
    empty, text, directory = folder / "empty.jpg", folder / "text.jpg", folder / "directory.jpg"
    empty.touch()
    text.write_text("not a picture\n" * 20)
    directory.mkdir()
    stub = folder / "stub.jpg"
    Image.fromarray(hopper()).save(stub)
    stub.write_bytes(stub.read_bytes()[:300])
    return {
        "missing": (folder / "missing.jpg", "missing.jpg"),
        "empty": (empty, "empty.jpg"),
        "text": (text, "text.jpg"),
        "directory": (directory, "directory.jpg"),
        "stub": (stub, "stub.jpg"),
    }


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "directory", "stub"])
def test_a_bad_file_is_one_line_and_the_others_are_inspected(kind: str, photo, tmp_path) -> None:
    path, words = bad_files(tmp_path)[kind]
    code, out, err = run("inspect", "--json", path, photo)
    assert code == console.NOT_INSPECTED
    assert len(err.strip().splitlines()) == 1 and err.startswith("error: ") and words in err and "Traceback" not in err
    bad, good = (json.loads(line) for line in out.splitlines())
    assert bad["path"] == str(path) and bad["verdict"] == "inconclusive" and bad["error"] == bad["reasons"][0]
    assert good["path"] == str(photo) and len(good["faces"]) == 1


def test_a_40_pixel_face_is_inconclusive_and_says_why(tmp_path) -> None:
    path = tmp_path / "small.png"
    factor = 40 / hopper_face().size
    small = Image.fromarray(hopper()).resize((round(512 * factor), round(600 * factor)))
    Image.fromarray(np.pad(np.asarray(small), ((90, 90), (90, 90), (0, 0)), mode="edge")).save(path)
    code, out, _ = run("inspect", "--json", path)
    record = json.loads(out)
    assert code == 0 and record["verdict"] == "inconclusive" and len(record["faces"]) == 1
    assert "pixels large" in record["reasons"][0] and record["faces"][0]["score"] is None


def test_a_picture_12000_pixels_wide(tmp_path) -> None:
    path = tmp_path / "wide.jpg"
    wide = np.full((1200, 12000, 3), 120, np.uint8)
    wide[300:900, 6000:6512] = hopper()
    Image.fromarray(wide).save(path, quality=92)
    code, out, _ = run("inspect", "--json", path, "--out", tmp_path / "out")
    record = json.loads(out)
    assert code == 0 and len(record["faces"]) == 1 and 6000 < record["faces"][0]["box"][0] < 6512
    with Image.open(tmp_path / "out" / "wide.mask.png") as mask:
        assert mask.size == (12000, 1200)


def test_an_unknown_model_is_one_line_and_exit_code_2(photo) -> None:
    code, _, err = run("inspect", photo, "--model", "vgg6-seg")
    assert code == console.UNUSABLE and err.startswith("error: no shipped model is called 'vgg6-seg'")
    assert len(err.strip().splitlines()) == 1


def test_forge_writes_picture_mask_and_manifest(photo, tmp_path) -> None:
    code, _, _ = run("forge", photo, "--out", tmp_path / "forged", "--family", "resynthesis", "--seed", 3)
    assert code == 0
    names = sorted(path.name for path in (tmp_path / "forged").iterdir())
    assert names == ["hopper.resynthesis.3.png", "hopper.resynthesis.3.truth.png", "manifest.jsonl"]
    code, _, err = run("forge", photo, "--out", tmp_path, "--family", "morph")
    assert code == console.UNUSABLE and "expected one of self_blend, swap" in err
    for family in ("swap", "autoencode"):
        code, _, err = run("forge", photo, "--out", tmp_path, "--family", family)
        assert code == console.UNUSABLE and "--donor" in err


def test_train_refuses_what_is_no_folder(tmp_path) -> None:
    pytest.importorskip("torch")
    code, _, err = run("train", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert code == console.UNUSABLE and "is no folder" in err


def test_train_refuses_folders_of_one_name_as_ship_will(tmp_path) -> None:
    pytest.importorskip("torch")
    folders = [tmp_path / "a" / "photos", tmp_path / "b" / "photos"]
    for folder in folders:
        folder.mkdir(parents=True)
    code, _, err = run("train", *folders, "--out", tmp_path / "run")
    assert code == console.UNUSABLE and "are both called photos" in " ".join(err.split())


def test_an_out_that_is_no_folder_is_refused_before_any_work(photo, tmp_path) -> None:
    (tmp_path / "file").touch()
    for call in (("inspect", photo), ("forge", photo), ("train", tmp_path)):
        code, out, err = run(*call, "--out", tmp_path / "file")
        assert code == console.UNUSABLE and out == "" and "cannot be used as a folder" in err
        assert len(err.strip().splitlines()) == 1


def test_inspecting_a_forgery_beside_its_truth_leaves_the_truth_alone(photo, tmp_path) -> None:
    run("forge", photo, "--out", tmp_path / "d", "--seed", 4)
    truth = (tmp_path / "d" / "hopper.self_blend.4.truth.png").read_bytes()
    run("inspect", tmp_path / "d" / "hopper.self_blend.4.png", "--out", tmp_path / "d")
    assert (tmp_path / "d" / "hopper.self_blend.4.truth.png").read_bytes() == truth


def test_forging_goes_on_after_a_photo_without_a_face(photo, tmp_path) -> None:
    plain = tmp_path / "plain.png"
    Image.fromarray(np.full((300, 400, 3), 90, np.uint8)).save(plain)
    code, out, err = run("forge", plain, photo, "--out", tmp_path / "d")
    assert code == console.NOT_INSPECTED and "no face was found" in err and "hopper.self_blend.0.png" in out


def test_help_says_all_that_is_written_for_it() -> None:
    """In brackets a word is markup to rich, and would not be printed."""
    for name, command in typer.main.get_group(console.app).commands.items():
        texts = [command.help, *(getattr(parameter, "help", "") for parameter in command.params)]
        assert [Text.from_markup(text or "").plain for text in texts] == [text or "" for text in texts], name


def test_help_names_the_default_model() -> None:
    commands = typer.main.get_group(console.app).commands
    for name in ("inspect", "serve"):
        (model,) = [parameter for parameter in commands[name].params if parameter.name == "model"]
        assert getattr(model, "help", "").endswith(f"by default {DEFAULT_MODEL}."), name


def test_the_version() -> None:
    assert run("--version")[1].strip() == tamperlens.__version__


def test_a_folder_gives_an_index_and_is_resumed(photo, tmp_path) -> None:
    Image.fromarray(np.full((300, 400, 3), 90, np.uint8)).save(tmp_path / "plain.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    code, out, err = run("inspect", tmp_path, "--out", tmp_path / "out", "--workers", 2)
    assert code == console.NOT_INSPECTED and err.count("error: ") == 1 and "broken.jpg" in err
    assert "3 files: " in out and "would still be called manipulated" in out
    assert {"index.html", "summary.csv", "summary.json", "hopper.html", "plain.html"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["files"] == 3 and summary["failed"] == 1 and summary["expected_false_alarms"][0]["files"] == 1
    written = (tmp_path / "out" / "hopper.html").stat().st_mtime_ns
    (tmp_path / "more").mkdir()
    other = (tmp_path / "plain.jpg").rename(tmp_path / "more" / "hopper.jpg")
    run("inspect", tmp_path, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "hopper.jpg.json").read_text())["path"] == str(other)
    assert (tmp_path / "out" / "hopper.html").stat().st_mtime_ns == written


def test_names_of_files_that_are_left_out_do_not_control_the_terminal(photo, tmp_path) -> None:
    (tmp_path / "a\x1b[2J\nerror: b\u202e.txt").write_text("text")
    _, _, err = run("inspect", tmp_path)
    assert "left out 1 file (text)" in err and r"a\x1b[2J\nerror: b" in err and not {"\x1b", "\u202e"} & set(err)


def test_a_video_in_the_table_and_as_json(tmp_path) -> None:
    path = clips.write_clip(tmp_path / "a.mp4", clips.face_clip(12), np.arange(12) / 10)
    code, out, err = run("inspect", path, "--every", 0.3)
    assert code == 0 and err == "" and re.search(r"1 +0\.0 to 0\.9 +4 ", out)
    record = json.loads(run("inspect", path, "--every", 0.3, "--from", 0.3, "--max-frames", 2, "--json")[1])
    assert record["kind"] == "video" and record["frames"] == 2 and record["settings"]["start"] == 0.3
    code, _, err = run("inspect", path, "--from", 2, "--to", 1)
    assert code == console.UNUSABLE and "--to must lie after --from" in err


def test_schema_and_verify(photo, tmp_path) -> None:
    assert json.loads(run("schema")[1])["title"] == "tamperlens.record/1"
    run("inspect", photo, "--out", tmp_path / "out")
    report = tmp_path / "out" / "hopper.json"
    code, out, _ = run("verify", report)
    assert code == 0 and "figures hold" in out
    Image.fromarray(hopper()[:, ::-1].copy()).save(photo)
    code, out, _ = run("verify", report)
    assert code == console.NOT_INSPECTED and "DIFFERS: file.sha256" in out and "do not hold" in out
    photo.unlink()
    code, _, err = run("verify", report)
    assert code == console.UNUSABLE and "no such file" in err
    report.write_text("{}")
    code, _, err = run("verify", report)
    assert code == console.UNUSABLE and "is not a record of tamperlens" in err
