"""A run of chunks is sent whole and in order, in slices that no reader waits long for."""

from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.core.run_slices import FileRange, file_slices, slices_of
from lanspread_peer.model.limits import KIB, MIB, UPLOAD_SLICE_BYTES
from lanspread_peer.model.paths import SafeRelPath
from support.manifests import game_manifest

SIZES = st.one_of(st.integers(1, 9), st.integers(UPLOAD_SLICE_BYTES - 2, 3 * UPLOAD_SLICE_BYTES))


@given(st.lists(SIZES, max_size=12))
def test_every_byte_is_sent_once_and_in_order(sizes: list[int]) -> None:
    files = {f"{number:02}.bin": bytes(size) for number, size in enumerate(sizes)}
    manifest = game_manifest({"version.ini": b"1", **files})
    chunks = [manifest.chunk(number) for number in range(manifest.totals.chunks)]
    slices = list(slices_of(chunks))
    sent = [
        (part.path, offset)
        for ranges in slices
        for part in ranges
        for offset in range(part.offset, part.offset + part.length, 64 * KIB)
    ]
    assert sent == sorted(sent)
    lengths = [sum(part.length for part in ranges) for ranges in slices]
    assert sum(lengths) == manifest.totals.bytes
    assert all(length == UPLOAD_SLICE_BYTES for length in lengths[:-1])
    assert all(0 < length <= UPLOAD_SLICE_BYTES for length in lengths)


def test_many_small_files_make_one_slice() -> None:
    manifest = game_manifest({"version.ini": b"1", **{f"{n}": bytes(100) for n in range(200)}})
    chunks = [manifest.chunk(number) for number in range(manifest.totals.chunks)]
    [ranges] = slices_of(chunks)
    assert len(ranges) == 201


def test_a_range_of_a_file_is_cut_the_same_way() -> None:
    path = SafeRelPath("a")
    first, second = file_slices(path, 5, UPLOAD_SLICE_BYTES + 1)
    assert first == [FileRange(path, 5, UPLOAD_SLICE_BYTES)]
    assert second == [FileRange(path, 5 + UPLOAD_SLICE_BYTES, 1)]
    assert list(file_slices(path, 0, 0)) == []


def test_no_chunks_make_no_slice() -> None:
    assert list(slices_of([])) == []
    assert UPLOAD_SLICE_BYTES <= MIB
