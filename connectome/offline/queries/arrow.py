"""Answers as Arrow."""

from __future__ import annotations

from connectome.offline.queries.model import Answer, ColumnType

__all__ = ["write_arrow"]


def write_arrow(answer: Answer) -> bytes:
    """Return an answer as an Arrow IPC stream; times are microseconds UTC."""
    import pyarrow

    types = {kind: pyarrow.type_for_alias(kind.value) for kind in _PLAIN}
    types[ColumnType.TIME] = pyarrow.timestamp("us", tz="UTC")
    arrays = [
        pyarrow.array([row[k] for row in answer.rows], types[output.type])
        for k, output in enumerate(answer.outputs)
    ]
    batch = pyarrow.record_batch(arrays, names=[output.name for output in answer.outputs])
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


_PLAIN = (ColumnType.WHOLE, ColumnType.NUMBER, ColumnType.FLAG, ColumnType.TEXT)
