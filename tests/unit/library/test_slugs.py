import re

import pytest

from antiphon.library.slugs import MAX_SLUG_CHARACTERS, slug_of
from antiphon.testing.simulated import simulated_runtime

RANDOM = simulated_runtime().random


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Team Handbook", "team-handbook"), ("产品手册", "workspace"), ("产品 FAQ", "faq"), ("Über uns!", "uber-uns"), ("--", "workspace"),
        ("../../x", "x"), ("a" * 500, "a" * MAX_SLUG_CHARACTERS),
    ],
)  # fmt: skip
def test_slugs(name: str, stem: str):
    slug = slug_of(name, RANDOM)
    assert re.fullmatch(re.escape(stem) + "-[a-z2-7]{8}", slug)
    assert slug != slug_of(name, RANDOM)  # the same name twice tells nobody that it is taken
