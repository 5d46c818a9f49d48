"""bench/near_duplicates.py from the shell: what it made is what it finds."""

import re


def test_a_small_search(shell):
    printed = shell("-m", "bench.near_duplicates", "--count", 2000, "--copies", 0.05)
    assert "2,000 thumbnails of 2,048 bytes, 100 of them copies of others" in printed
    assert "pairs: 100 of those planted, 0 others" in printed
    assert re.search(r"search in [0-9.]+ s\n", printed)
    assert re.search(r"memory: 4 MB of thumbnails and [0-9]+ MB more in the search\n", printed)
