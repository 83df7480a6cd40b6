"""Every page is entered by app.py, whichever address is opened first."""

import pytest

from pages._ui.state import front_door
from tests.pages.finished import ROOT, page


def test_every_file_is_a_page_and_every_page_a_file() -> None:
    assert {name for name, *_ in front_door.PAGES} == {path.stem for path in (ROOT / "pages").glob("[!_]*.py")}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("name", [name for name, *_ in front_door.PAGES])
def test_a_page_opened_first_has_above_it_what_app_py_puts_there(name: str) -> None:
    app = page(name)
    assert app.caption[0].value.startswith("LayerScope · demo model (16 layers)")
    assert app.title[0].value == dict((file, title) for file, title, _ in front_door.PAGES)[name]
