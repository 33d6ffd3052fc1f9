# SPDX-License-Identifier: Apache-2.0
"""XXH3 and zstd from their own libraries."""
import ctypes

_xxh = ctypes.CDLL("libxxhash.so.0")
_xxh.XXH3_64bits.restype = ctypes.c_uint64
_xxh.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_createDCtx.restype = ctypes.c_void_p
_zstd.ZSTD_decompress_usingDict.restype = ctypes.c_size_t
_zstd.ZSTD_decompress_usingDict.argtypes = [
    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t,
    ctypes.c_char_p, ctypes.c_size_t]
_zstd.ZSTD_isError.argtypes = [ctypes.c_size_t]
_context = _zstd.ZSTD_createDCtx()


def xxh3(data):
    return _xxh.XXH3_64bits(data, len(data))


def decompress(data, size, dictionary=b""):
    """The `size` bytes that were compressed, or None."""
    out = ctypes.create_string_buffer(size or 1)
    n = _zstd.ZSTD_decompress_usingDict(_context, out, size, data, len(data), dictionary,
                                        len(dictionary))
    return out.raw[:size] if not _zstd.ZSTD_isError(n) and n == size else None
