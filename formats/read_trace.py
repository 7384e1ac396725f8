"""Reads a trace with stock `zstandard` and `msgpack` (PyPI): what was recorded, and how many events of which
calls each process made. FORMAT.md describes every field. Usage: read_trace.py trace.zst"""
import collections, sys
import msgpack, zstandard


def numbers(column):
    value = shift = 0
    for byte in column:
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            yield value
            value = shift = 0


def events(batch):
    """(kind, nr, ret) of each event."""
    nrs = list(numbers(batch.get("site_nr", b""))) or [0] * len(batch["site_kind"])
    rets = numbers(batch["ret"]) if "ret" in batch else iter(lambda: 0, None)
    last = collections.defaultdict(int)
    for site, ret in zip(numbers(batch["site"]), rets):
        last[site] = (last[site] + ((ret >> 1) ^ -(ret & 1))) & (2**64 - 1)
        yield batch["site_kind"][site], nrs[site], last[site] - (last[site] >> 63 << 64)


def main(path):
    names, processes, calls, failed = {}, collections.Counter(), collections.Counter(), collections.Counter()
    with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
        for value in msgpack.Unpacker(stream, raw=False, max_buffer_size=2**25, unicode_errors="replace"):
            if value["type"] == "meta":
                print(*(f"{key}: {field}" for key, field in value.items()), sep="\n")
            elif value["type"] == "table":
                names = {row["nr"]: row["name"] for row in value["rows"]}
            elif value["type"] == "batch":
                for kind, nr, ret in events(value):
                    processes[value["process"]] += 1
                    if kind == 1:
                        calls[names.get(nr, nr)] += 1
                        failed[names.get(nr, nr)] += -4096 < ret < 0
    print(*(f"process {process}: {count} events" for process, count in sorted(processes.items())), sep="\n")
    print(*(f"{name}: {count} calls, {failed[name]} failed" for name, count in calls.most_common()), sep="\n")


main(sys.argv[1])
