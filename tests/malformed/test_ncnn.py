"""ncnn text graphs that break their format: the message says where, and nothing else escapes."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from socsim.errors import LimitExceededError, MalformedModelError, WorkloadError
from socsim.workload.importers.ncnn import import_ncnn
from socsim.workload.limits import DEFAULT_LIMITS

VALID = """7767517
4 5
Input            data    0 1 data 0=8 1=8 2=3
Convolution      conv1   1 1 data conv1 0=4 1=3 4=1 6=108 9=1
Split            split   1 2 conv1 a b
Eltwise          sum     2 1 a b out 0=1 -23301=2,1.0,1.0e+00
"""


def load(data, limits=DEFAULT_LIMITS):
    data = data.encode() if isinstance(data, str) else data
    return import_ncnn(data, where="net.param", name="net", batch=None, shapes={}, limits=limits)


def test_the_text_that_the_faults_start_from_is_valid():
    assert load(VALID).macs == 108 * 64


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("7767517", "7767518", "line 1: an ncnn graph begins with 7767517, found '7767518'"),
        ("4 5", "4", "line 2: expected the number of layers and of blobs, found '4'"),
        ("4 5", "four 5", "found 'four 5'"),
        ("4 5", "-4 5", "found '-4 5'"),
        ("4 5", "5 5", "declares 5 layers and holds 4; the file may be cut short"),
        ("4 5", "4 6", "declares 6 blobs, but its layers write 5"),
        (
            "sum     2 1 a b out 0=1 -23301=2,1.0,1.0e+00",
            "sum",
            "line 6: expected type, name, number of inputs",
        ),
        ("1 1 data conv1", "1 x data conv1", "line 4, column 28: expected a number of blobs, found 'x'"),
        ("2 1 a b out 0=1", "3 1 a b out 0=1", "line 6: declares 3 inputs and 1 outputs, but names 3 blobs"),
        (
            "2 1 a b out 0=1",
            "2 999999999 a b out 0=1",
            "declares 2 inputs and 999999999 outputs, but names 3",
        ),
        ("2 1 a b", "2 1 a c", "line 6: Eltwise 'sum': reads blob 'c', which no layer above writes."),
        (
            "data conv1 0",
            "dta conv1 0",
            "reads blob 'dta', which no layer above writes. Did you mean 'data'?",
        ),
        ("a b out", "a b a", "line 6: Eltwise 'sum': writes blob 'a', which line 5 has written"),
        ("0=4 1=3", "0=4 1:3", "line 4, column 45: expected a parameter as key=value, found '1:3'"),
        ("0=4 1=3", "0=4 1=", "line 4, column 45: '' is not a number"),
        ("0=4 1=3", "0=4 1=3..0", "'3..0' is not a number"),
        ("0=4 1=3", "0=4 1=99999999999", "99999999999 does not fit the 32 bits"),
        ("0=4 1=3", "0=4 1=1e999", "'1e999' is too large"),
        ("0=4 1=3", "0=4 0=3", "parameter 0 is given twice"),
        ("0=4 1=3", "0=4 32=3", "key 32 is neither 0 to 31 nor an array key"),
        ("0=4 1=3", "0=4 -5=3", "key -5 is neither"),
        ("-23301=2,1.0,", "-23301=3,1.0,", "line 6, column 42: the array declares '3' values and holds 2"),
        ("-23301=2,1.0,", "-23301=2,x,", "'x' is not a number"),
        ("6=108", "6=109", "line 4: Convolution 'conv1': weight_data_size (parameter 6) is 109"),
        (
            "2=3",
            "2=-3",
            "line 3: Input 'data': the size (c, d, h, w) = (-3, 0, 8, 8) has a negative dimension",
        ),
        ("Split            split   1 2 conv1 a b", "Split            split   1 2 a a b", "reads blob 'a'"),
    ],
)
def test_fault(old, new, text):
    assert old in VALID
    with pytest.raises(MalformedModelError, match=re.escape(text)) as caught:
        load(VALID.replace(old, new))
    assert str(caught.value).startswith("net.param: ")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "line 1: an ncnn graph begins with 7767517, found ''"),
        (b"7767517\n", "line 2: expected the number of layers"),
        (b"7767517\n0 0\n", "the graph has no operators"),
        (VALID.encode()[:-80], "declares 4 layers and holds 3"),
        (VALID.encode().replace(b"split", b"spl\0t"), "line 5, column 21: found a NUL byte"),
        (VALID.encode().replace(b"split", b"spl\xfft"), "line 5, column 21: byte 0xff is not UTF-8"),
        (b"\xdd\x85\x76\x00" + bytes(40), "binary graph (.param.bin); give the text file"),
    ],
)
def test_bytes(data, text):
    with pytest.raises(MalformedModelError, match=re.escape(text)):
        load(data)


def test_all_faults_of_a_file_are_listed():
    broken = VALID.replace("0=4 1=3", "0=4 1:3").replace("-23301=2,", "-23301=7,").replace("2 1 a b", "2 1 a c")
    with pytest.raises(MalformedModelError, match="3 faults") as caught:
        load(broken)
    assert [line[:10] for line in str(caught.value).splitlines()[1:]] == [
        "  - line 4",
        "  - line 6",
        "  - line 6",
    ]


@pytest.mark.parametrize(
    ("change", "limits", "text"),
    [
        (("4 5", "999999999 5"), {}, "999,999,999 layers exceed the limit of 100,000"),
        (("4 5", "4 999999999"), {}, "999,999,999 blobs exceed the limit of 400,000"),
        (("0=8 1=8", "0=2000000000 1=2000000000"), {}, "exceeds the limit of 2,147,483,648"),
        (("0=8 1=8", "0=8 1=9"), {"file_bytes": 100}, "bytes exceed the limit of 100"),
        (("0=8 1=8", "0=8 1=9"), {"operators": 3}, "4 layers exceed the limit of 3"),
    ],
)
def test_budgets(change, limits, text):
    with pytest.raises(LimitExceededError, match=re.escape(text)):
        load(VALID.replace(*change), replace(DEFAULT_LIMITS, **limits))


def test_long_names_are_refused():
    with pytest.raises(MalformedModelError, match="a name of 5,000 characters; at most 4,096 are allowed"):
        load(VALID.replace("conv1", "c" * 5000))


def test_long_faults_quote_only_the_beginning():
    with pytest.raises(MalformedModelError) as caught:
        load(VALID.replace("0=4 1=3", "0=4 1=" + "z!" * 50_000))
    assert len(str(caught.value)) < 400


def test_many_unknown_blobs_do_not_take_long():
    layers = [f"ReLU r{i} 1 1 missing{i} out{i}" for i in range(3000)]
    text = "\n".join(["7767517", "3001 3001", "Input in 0 1 x 0=4", *layers])
    with pytest.raises(MalformedModelError, match="3000 faults"):
        load(text)


@pytest.mark.parametrize("quote", ['6="w=c h"', "6=name"])
def test_text_parameters_are_read(quote):
    assert load(VALID.replace("0=1 ", f"0=1 {quote} ")).macs == 108 * 64


@pytest.mark.parametrize("seed", range(300))
def test_random_damage_raises_workload_errors_only(seed):
    rng = random.Random(seed)
    tokens = re.split(r"(\s+)", VALID)
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(0, len(tokens), 2)
        tokens[position] = rng.choice(
            [
                "",
                "-1",
                "0",
                "1=0",
                "4=-233",
                "7=3",
                "x",
                "SDPA",
                "Pooling",
                "Gemm",
                "Reshape",
                "LSTM",
                '"',
                "9" * 30,
            ]
        )
    message = ""
    try:
        graph = load("".join(tokens))
    except WorkloadError as error:
        message = str(error)
    assert message.startswith("net.param: ") if message else graph.operators
