"""Tables of labels that must be refused, with what is said of each."""

from csv_cases import refused

TEN_MEGABYTES = 10_000_000
CASES = {
    "empty": refused(b"", "labels.csv is empty"),
    "a mark and nothing else": refused(b"\xef\xbb\xbf", "labels.csv is empty"),
    "a UTF-16 mark and nothing else": refused(b"\xff\xfe", "labels.csv is empty"),
    "half a UTF-16 letter": refused("Id,Target\na,0\n".encode("utf-16") + b"x", "not UTF-16"),
    "blank lines and nothing else": refused("\n\r\n\n", "labels.csv is empty"),
    "a header and nothing else": refused("Id,Target\n", "labels.csv has a header but no rows"),
    "a line sep= and nothing else": refused("sep=,\n", "labels.csv"),
    "rows and no header": refused("a,0\nb,1\n", "no column Id"),
    "a quote left open in a row": refused('Id,Target\na,0\n"b,1\nc,\n', "labels.csv, line 3"),
    "a quote left open in the header": refused('"Id,Target\na,0\n', "labels.csv, line 1"),
    "a quote in the middle": refused('Id,Target\na,0\nb,"1"2\nc,\n', "labels.csv, line 3"),
    "a line break in an id": refused('Id,Target\na,0\n"b\nc",1\n', "line 3: 'b\\nc' holds a line break"),
    "a line break in a target": refused('Id,Target\na,0\nb,"1\n0"\n', "line 3: '1\\n0' holds a line break"),
    "a line break in a class's column": refused(
        'Id,x,"y\nz"\na,1,0\nb,0,1\nc,0,0\n', "labels.csv: class names with a line break", "'y\\nz'"
    ),
    "an escape in a class's column": refused(
        "Id,x,\x1b[31my\na,1,0\nb,0,1\nc,0,0\n", "labels.csv: class names with a line break", "'\\x1b[31my'"
    ),
    "an escape in a class's name": refused("Id,Target\na,x\nb,\x1b[2Jy\nc,x\n", "labels.csv, line 3"),
    "an escape in an id": refused("Id,Target\na,0\n\x1b[2Jb,1\n", "labels.csv, line 3"),
    "a second control set in a class's name": refused("Id,Target\na,x\nb,\x9b2Jy\nc,x\n", "labels.csv, line 3"),
    "a NUL in an id": refused("Id,Target\na\0,0\nb,1\n", "labels.csv, line 2"),
    "a NUL in the header": refused("Id,Tar\0get\na,0\n", "labels.csv, line 1"),
    "NULs and nothing else": refused(b"\0" * 1000, "labels.csv"),
    "all bytes": refused(bytes(range(256)), "labels.csv"),
    "a short row": refused("Id,Target,note\na,0,x\nb,1\nc,,\n", "line 3: 2 fields where the header has 3"),
    "a long row": refused("Id,Target\na,0\nb,1,2,3\nc,\n", "line 3: 4 fields where the header has 2"),
    "an empty id": refused("Id,Target\na,0\n,1\n", "line 3: the Id is empty"),
    "an id of spaces": refused("Id,Target\na,0\n   ,1\n", "line 3: the Id is empty"),
    "10 MB in an id": refused("Id,Target\na,0\n" + "b" * TEN_MEGABYTES + ",1\n", "labels.csv, line 3"),
    "10 MB in a target": refused("Id,Target\na,0\nb," + "1 " * (TEN_MEGABYTES // 2) + "\n", "labels.csv, line 3"),
    "10 MB in a column that is not used": refused(
        "Id,Target,note\na,0,\nb,1," + "x" * TEN_MEGABYTES + "\n", "labels.csv, line 3"
    ),
    "10 MB in the header": refused("Id,Target," + "x" * TEN_MEGABYTES + "\na,0,\n", "labels.csv, line 1"),
    "10 MB of quotes": refused("Id,Target\na,0\n" + '"' * TEN_MEGABYTES, "labels.csv, line 3"),
    "10 MB of commas": refused("Id,Target\na,0\n" + "," * TEN_MEGABYTES + "x\n", "labels.csv, line 3"),
    "10 MB without a line": refused("x" * TEN_MEGABYTES, "labels.csv, line 1"),
    "100,000 letters in an id": refused("Id,Target\na,0\n" + "b" * 100_000 + ",1\n", "line 3"),
    "an id that is too long for a file's name": refused(
        "Id,Target\na,0\n" + "b" * 300 + ",1\n", "line 3", "no such image"
    ),
    "a huge class id": refused(
        "Id,Target\na,0\nb,99999999999999999999\n", "line 3: class id 99999999999999999999 is out of range"
    ),
    "a class id without end": refused(
        "Id,Target\na,0\nb," + "9" * 5000 + "\n", "line 3: class id 99999999999999999999… is out"
    ),
    "a negative class id": refused("Id,Target\na,0\nb,-1\n", "line 3: class id -1 is out of range"),
    "a class id with a fraction": refused("Id,Target\na,0\nb,1.5\n", "line 3: '1.5' is not a class id"),
    "a class id with an exponent": refused("Id,Target\na,0\nc,1\nb,1e3\n", "line 4: '1e3' is not a class id"),
    "a class id in full-width digits": refused("Id,Target\na,0\nc,1\nb,\uff11\n", "line 4: '\uff11' is not a class id"),
    "NaN among class ids": refused("Id,Target\na,0\nb,1\nc,NaN\n", "line 4: 'NaN' is not a class id"),
    "infinity among class ids": refused("Id,Target\na,0\nb,1\nc,inf\n", "line 4: 'inf' is not a class id"),
    "NaN in a class's column": refused("Id,x,y\na,1,0\nb,0,NaN\nc,1,1\n", "line 3: column 'y' holds 'NaN'"),
    "infinity in a class's column": refused("Id,x,y\na,1,0\nb,0,-inf\nc,1,1\n", "line 3: column 'y' holds '-inf'"),
    "a half in a class's column": refused("Id,x,y\na,1,0\nb,0,0.5\nc,1,1\n", "line 3: column 'y' holds '0.5'"),
    "yes in a class's column": refused("Id,x,y\na,1,0\nb,0,yes\nc,1,1\n", "line 3: column 'y' holds 'yes'"),
    "a path out of the folder": refused(
        "Id,Target\na,0\n../outside/x,1\n", "line 3, id '../outside/x': points outside image_dir"
    ),
    "a path out of the folder by backslashes": refused(
        "Id,Target\na,0\n..\\outside\\x,1\n", "line 3, id", "points outside image_dir"
    ),
    "a path out of the folder and in again": refused(
        "Id,Target\na,0\nx/../../images/b,1\n", "line 3, id", "points outside image_dir"
    ),
    "an absolute path": refused(
        "Id,Target\na,0\n/etc/passwd,1\n", "line 3, id '/etc/passwd': points outside image_dir"
    ),
    "a path to a drive": refused("Id,Target\na,0\nC:\\x,1\n", "line 3, id", "points outside image_dir"),
    "a path to a share": refused("Id,Target\na,0\n\\\\host\\x,1\n", "line 3, id", "points outside image_dir"),
    "a path from home": refused("Id,Target\na,0\n~/x,1\n", "line 3, id '~/x': no such image"),
    "an address": refused("Id,Target\na,0\nfile:///etc/passwd,1\n", "line 3, id", "image_dir"),
    "the folder itself": refused("Id,Target\na,0\n.,1\n", "line 3, id '.': no such image"),
    "an id in another case": refused("Id,Target\na,0\nB,1\n", "line 3, id 'B': no such image"),
    "one image by two ids": refused(
        "Id,Target\na,0\na.png,1\n", "line 3, id 'a.png': names the same image as id 'a' of line 2"
    ),
    "one image by two paths": refused(
        "Id,Target\na,0\n./a,1\n", "line 3, id './a': names the same image as id 'a' of line 2"
    ),
    "an id of several images": refused(
        "Id,Target\na,0\nb,1\n", "line 3, id 'b': fits 2 images", images=("a.png", "b.png", "b.jpg")
    ),
    "two files in two Unicode forms": refused(
        "Id,Target\na,0\n",
        "another file has the same name in another Unicode form",
        images=("a.png", "caf\xe9.png", "cafe\u0301.png"),
    ),
    "an id twice with other labels": refused(
        "Id,Target\na,0\nb,1\na,1\n", "lines 2 and 4: Id 'a' twice with different labels"
    ),
    "an id in both forms with other labels": refused(
        "Id,Target\ncaf\xe9,0\ncafe\u0301,1\n", "lines 2 and 3: Id 'caf\xe9' twice", images=("caf\xe9.png",)
    ),
    "two columns of one name": refused("Id,x,x\na,1,0\n", "labels.csv: columns of equal name: 'x'"),
    "two columns of one name in two forms": refused(
        "Id,re\u0301seau,r\xe9seau\na,1,0\n", "columns of equal name: 'r\xe9seau'"
    ),
    "two columns of ids": refused("Id,Target,ID\na,0,b\n", "labels.csv: columns of equal name"),
    "a split that is none": refused("Id,Target,split\na,0,train\nb,1,dev\n", "line 3: split 'dev' is none of"),
    "no training row": refused("Id,Target,split\na,0,test\nb,1,val\nc,1,test\n", "split column has no train row"),
    "a negative fold": refused("Id,Target,fold\na,0,0\nb,1,-1\n", "line 3: fold '-1' is not a whole number"),
    "a huge fold": refused(
        "Id,Target,fold\na,0,0\nb,1,99999999999999999999\n", "line 3: fold '99999999999999999999' is not"
    ),
    "a fold that is no number": refused("Id,Target,fold\na,0,0\nb,1,NaN\n", "line 3: fold 'NaN' is not a whole number"),
    "no class in any row": refused("Id,Target\na,\nb,\n", "labels.csv: no row has a class"),
    "a workbook": refused(b"PK\x03\x04" + bytes(100), "labels.csv is a workbook"),
    "an old workbook": refused(b"\xd0\xcf\x11\xe0" + bytes(100), "labels.csv is a workbook"),
    "JSON": refused('{"a": [0, 1]}', "labels.csv"),
    "HTML": refused("<html><body>Sign in</body></html>", "labels.csv"),
    "an image": refused(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "labels.csv"),
    "an empty classes file": refused("Id,Target\na,0\n", "classes.txt is empty", classes_file=b""),
    "a class twice in the classes file": refused("Id,Target\na,0\n", "classes.txt, line 3", classes_file=b"x\ny\nx\n"),
    "a NUL in the classes file": refused("Id,Target\na,0\n", "classes.txt, line 2", classes_file=b"x\ny\0\n"),
    "10 MB in a line of the classes file": refused(
        "Id,Target\na,x\nb,y\n",
        "line 3: class name 'y' is not in classes.txt",
        classes_file=b"x\n" + b"y" * TEN_MEGABYTES,
    ),
    "an escape in the classes file": refused("Id,Target\na,0\n", "classes.txt, line 2", classes_file=b"x\n\x1b[2Jy\n"),
    "a class in two forms in the classes file": refused(
        "Id,Target\na,0\n", "classes.txt, line 2", classes_file="r\xe9\nre\u0301\n".encode()
    ),
}
