from antiphon.access.changes import AccessChange, AccessChanges


def test_listeners_hear_every_change_until_they_leave():
    changes, heard = AccessChanges(), list[AccessChange]()
    leave = changes.listen(heard.append)
    first = AccessChange(kind="revoked", user_id="usr_1")
    changes.notify(first)
    leave()
    leave()
    changes.notify(AccessChange(kind="revoked", user_id="usr_2"))
    assert heard == [first]


def test_one_that_leaves_during_a_notice_is_passed_over():
    changes, heard = AccessChanges(), list[AccessChange]()

    def first(_: AccessChange) -> None:
        leave_second()

    changes.listen(first)
    leave_second = changes.listen(heard.append)
    changes.notify(AccessChange(kind="granted"))
    assert heard == []
