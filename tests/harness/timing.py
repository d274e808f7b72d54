"""What a test may say of time: nothing that a machine which stands still for a few seconds makes false."""

#: Seconds within which something was done "at once". What hangs instead takes a timeout of 20 seconds or more,
#: which is what the tests that use this set.
PROMPT = 10

#: Seconds after which a test gives up on what must come.
PATIENCE = 60

#: How often a test asks for what has a time limit of Berth's own, which a machine that stands still can exceed.
ATTEMPTS = 5
