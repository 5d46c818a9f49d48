"""Feed the reader of labels.csv bytes that Atheris steers to code not yet run, from the root of the tree:
PYTHONPATH=. python tests/fed/soak_csv.py SECONDS

It ends with status 0 where nothing but rows or faults came of them, also where Atheris is not installed.
"""

import sys
import tempfile
from pathlib import Path

SEEDS = (
    b"Id,Target\na,0 1\nb,?2\n",
    b'sep=;\nId;Target;split\n"a";x|y;train\nb;;test\n',
    b"Id,x,y,fold,group\na,1,0,0,g\nb,,1,1,\n",
    "Id\tTarget\na\tÅ|é\n".encode("utf-16"),
    "Id,Target\na,Zellhülle\n".encode("latin-1"),
    b"\xef\xbb\xbfId,Target\r\na,07\r\n",
)


def main(seconds: int) -> None:
    try:
        import atheris
    except ImportError:
        print("skipped: Atheris is not installed (pip install atheris)")
        return
    # Imported here, so that Atheris sees which code the bytes lead to.
    with atheris.instrument_imports(include=["data"]):
        from common.errors import Faults
        from data.labels.labels import read_labels
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, seed in enumerate(SEEDS):
        (seeds / str(number)).write_bytes(seed)
    labels, classes = folder / "labels.csv", folder / "classes.txt"
    classes.write_text("x\ny\n?z\n", encoding="utf-8")

    def feed(content: bytes) -> None:
        labels.write_bytes(content[1:])
        faults = Faults()
        # The first byte says whether there is a classes file.
        table = read_labels(labels, classes if content[:1] and content[0] % 2 else None, faults)
        assert faults.texts or table.ids, "neither rows nor a fault"
        assert len(table.ids) == len(set(table.ids)) == len(table.labels)
        assert table.labels.shape[1] == len(table.class_names) == len(set(table.class_names))

    options = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4096", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, str(seeds)], feed)
    atheris.Fuzz()  # ends the process; of a find it names the file that has it


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 180)
