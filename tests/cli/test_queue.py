# SPDX-License-Identifier: Apache-2.0
"""The queue's verbs, as an administrator types them."""

NOBODY = "0123456789abcdef"


def test_an_empty_queue(keeper):
    assert keeper.run("queue", "list") == "Nothing waits.\n"
    assert keeper.json("queue", "list") == []
    assert keeper.run("queue", "retry", "--all") == "0 recipients of 0 messages will be tried now.\n"
    for verb in ("show", "retry", "hold", "release", "remove"):
        keeper.run("queue", verb, NOBODY, code=3)
        assert "The queue has no message" in keeper.error
        keeper.run("queue", verb, "12", code=1)
        assert "is no message of the queue" in keeper.error
    for verb in ("show", "retry", "hold", "release", "remove"):
        keeper.run("queue", verb, code=2)


def test_much_is_removed_only_when_it_is_meant(keeper):
    for words in (["--all"], ["--to", "example.net"], ["--from", "example.org", "--notify"], ["--notify"]):
        keeper.run("queue", "remove", *words, code=2)
        assert "--yes" in keeper.error
    assert keeper.one("queue", "remove", "--to", "example.net", "--yes") == {"messages": 0,
                                                                          "recipients": 0}
    keeper.run("queue", "remove", "--yes", code=2)


def test_a_pause_outlives_the_command(keeper):
    keeper.run("queue", "pause", "Example.NET", "--reason", "they are moving")
    (d,) = keeper.json("queue", "destinations")
    assert d["destination"] == "example.net" and d["paused"] and d["paused_since"]
    assert "paused: they are moving" in keeper.run("queue", "destinations")
    keeper.run("queue", "resume", "example.net")
    keeper.run("queue", "resume", "example.net", code=3)
    assert "not paused" in keeper.error
    keeper.run("queue", "pause", "anna@example.net", code=1)
    keeper.run("queue", "pause", code=2)
