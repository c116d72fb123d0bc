"""Writing into a folder where links may lie in wait."""

from __future__ import annotations

import pytest

from kernel_tool.files import write_inside


def test_a_file_is_written_and_written_over(tmp_path):
    folder = tmp_path / "new"
    assert write_inside(folder, "a.txt", "one") == folder / "a.txt"
    write_inside(folder, "a.txt", "two \ud800")
    assert (folder / "a.txt").read_text() == "two ?"
    assert [path.name for path in folder.iterdir()] == ["a.txt"]


def test_a_link_at_the_name_is_replaced_not_followed(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").symlink_to(outside)
    write_inside(folder, "a.txt", "text")
    assert outside.read_text() == "kept" and (folder / "a.txt").read_text() == "text"


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "folder").symlink_to(outside)
    with pytest.raises(OSError):
        write_inside(tmp_path / "folder", "a.txt", "text")
    assert list(outside.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError):
        write_inside(tmp_path, "a.txt", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
