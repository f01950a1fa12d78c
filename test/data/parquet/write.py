"""Writes the Parquet files of the tests beside this script: pip install pyarrow, then python write.py."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

here = Path(__file__).parent

questions = pa.table(
    {
        "question": [f"Question {i}?" for i in range(5)],
        "answer": ["Zoë 🙂", "A", "A", "A", "It is\nthree."],
        "author": pa.array(["Mara", "Mara", None, "Jon", "Jon"]),
        "year": pa.array([1943, None, 2**60, -1, 0], pa.int64()),
        "living": pa.array([True, False, None, True, False]),
        "score": pa.array([0.5, None, float("nan"), 2.0, -1.25]),
        "born": pa.array([datetime.date(1958, 2, 25), None, None, None, datetime.date(2001, 1, 1)]),
        "seen": pa.array([datetime.datetime(2024, 5, 6, 7, 8, 9)] * 5, pa.timestamp("us")),
        "kind": pa.array(["a", "b", "a", "b", "a"]).dictionary_encode(),
        "perturbed_answer": pa.array([["x", "y"], [], None, ["z"], ["x", "w"]], pa.list_(pa.string())),
        "embedding": pa.array([[0.1, 0.2]] * 5, pa.list_(pa.float32())),
        "blob": pa.array([b"\xff\xfe"] * 5, pa.binary()),
    }
)
pq.write_table(questions, here / "questions.parquet", row_group_size=2, store_schema=False)

few = questions.select(["question", "answer", "year"])
for codec in ["gzip", "brotli", "zstd", "lz4", "none"]:
    pq.write_table(few, here / f"{codec}.parquet", compression=codec, store_schema=False)

for encoding in ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]:
    pq.write_table(
        few,
        here / f"{encoding.lower()}.parquet",
        use_dictionary=False,
        data_page_version="2.0",
        column_encoding={"question": encoding, "answer": encoding, "year": "DELTA_BINARY_PACKED"},
        store_schema=False,
    )

turns = [
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "She."}],
    [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Here."}],
]
messages = pa.table({"messages": turns, "source": ["a", None]})
pq.write_table(messages, here / "messages.parquet", data_page_version="2.0", store_schema=False)

pq.write_table(pa.table({"text": ["One document.", "Another."]}), here / "texts.parquet", store_schema=False)

spoiled = pa.table({"question": pa.array([b"Q", b"\xff"], pa.binary()), "answer": ["A", "B"]})
pq.write_table(spoiled, here / "not-utf8.parquet", store_schema=False)
