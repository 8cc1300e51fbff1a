/*
 * gzip (RFC 1952: ISA-L compresses, libdeflate decompresses) and zstd (RFC 8878, libzstd), whole
 * buffers at once.
 *
 * Life of a call: a compressor or decompressor is made, used and freed, so that calls may run in
 * any pool thread. The result is appended to `out` in full or not at all.
 *
 * The bomb limit: the output buffer's maximum. A decompressor needs to know the room beforehand,
 * and what the input says about its size may be a lie in either direction, so the room begins at a
 * guess and grows up to the maximum while the decoder finds it too small; work and memory stay
 * within a small factor of what is really there.
 *
 * Several gzip members or zstd frames after each other are one text, as both specifications have
 * it.
 */
#include "wire/compress.h"

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    /* On OTLP metrics of a cluster (51 MB): 15 ms and 3.8 % of the size. libdeflate takes 98 ms for 4.1 % at its lowest level, zlib
     * 220 ms for 4.6 % at level 1 and 360 ms for 3.4 % at level 6. */
    GZIP_LEVEL = 1,
    GZIP_ROOM_BYTES = 16 * 1024, /* more output at a time */
    ZSTD_LEVEL = 3, /* its own default, and what the reference's "default" stands for */
    GROWTH = 4,
    ROOM_BYTES_MIN = 4096,
};

const char *compression_name(enum compression c)
{
    return c == COMPRESS_GZIP ? "gzip" : c == COMPRESS_ZSTD ? "zstd" : "identity";
}

/* Compressed text is kept in queues for long: the buffer gets what it needs, not the much larger
 * bound. */
static bool append_exact(struct buf *out, const void *data, size_t len, struct err *err)
{
    char *room = buf_reserve(out, len);
    if (room == NULL)
        return err_set(err, "compressed data is larger than the %zu bytes there is room for",
                       out->max);
    memcpy(room, data, len);
    buf_commit(out, len);
    return true;
}

/* Its state is too large for a stack. */
struct gzip_state {
    struct isal_zstream stream;
    uint8_t level_memory[ISAL_DEF_LVL1_DEFAULT];
};

static bool gzip_compress(str in, struct buf *out, struct err *err)
{
    if (in.len > UINT32_MAX)
        return err_set(err, "gzip: %zu bytes are too many", in.len);
    struct gzip_state *state = mem_alloc(sizeof *state);
    struct isal_zstream *s = &state->stream;
    size_t len = out->len;
    bool ok = true;
    isal_deflate_init(s);
    s->level = GZIP_LEVEL;
    s->level_buf = state->level_memory;
    s->level_buf_size = sizeof state->level_memory;
    s->gzip_flag = IGZIP_GZIP;
    s->end_of_stream = 1;
    s->next_in = (uint8_t *)(uintptr_t)in.data;
    s->avail_in = (uint32_t)in.len;
    while (ok && s->internal_state.state != ZSTATE_END) {
        size_t most = out->overflow ? 0 : out->max - out->len;
        size_t room_len = most < GZIP_ROOM_BYTES ? most : GZIP_ROOM_BYTES;
        char *room = room_len == 0 ? NULL : buf_reserve(out, room_len);
        ok = room != NULL;
        if (!ok)
            break;
        s->next_out = (uint8_t *)room;
        s->avail_out = (uint32_t)room_len;
        CHECK(isal_deflate(s) == COMP_OK);
        buf_commit(out, room_len - s->avail_out);
    }
    mem_free(state);
    if (ok)
        return true;
    out->len = len;
    return err_set(err, "compressed data is larger than the %zu bytes there is room for", out->max);
}

static bool zstd_compress(str in, struct buf *out, struct err *err)
{
    size_t bound = ZSTD_compressBound(in.len);
    char *room = mem_alloc(bound);
    size_t len = ZSTD_compress(room, bound, in.data, in.len, ZSTD_LEVEL);
    bool ok = ZSTD_isError(len) ? err_set(err, "zstd: %s", ZSTD_getErrorName(len))
                                : append_exact(out, room, len, err);
    mem_free(room);
    return ok;
}

bool compress_bytes(enum compression c, str in, struct buf *out, struct err *err)
{
    switch (c) {
    case COMPRESS_GZIP:
        return gzip_compress(in, out, err);
    case COMPRESS_ZSTD:
        return zstd_compress(in, out, err);
    case COMPRESS_NONE:
        break;
    }
    return append_exact(out, in.data, in.len, err);
}

static bool fail_bomb(const struct buf *out, const char *name, struct err *err)
{
    return err_set(err, "%s: the data is larger than %zu bytes when decompressed", name, out->max);
}

/* Room for a try: `guess` bytes if the maximum allows that many, at least one. NULL if the buffer
 * is full. */
static char *room_reserve(struct buf *out, size_t guess, size_t *room_len)
{
    size_t most = out->overflow ? 0 : out->max - out->len;
    *room_len = guess < most ? guess : most;
    return *room_len == 0 ? NULL : buf_reserve(out, *room_len);
}

static size_t first_guess(size_t claimed, size_t in_len, size_t ratio_max)
{
    size_t most = in_len > SIZE_MAX / ratio_max ? SIZE_MAX : in_len * ratio_max;
    size_t guess = claimed < most ? claimed : most;
    return guess < ROOM_BYTES_MIN ? ROOM_BYTES_MIN : guess;
}

/* One member from the start of *in, appended to `out`. */
static bool gzip_member(struct libdeflate_decompressor *d, str *in, struct buf *out,
                        struct err *err)
{
    /* The last four bytes give the length of the last member, modulo 2^32; deflate makes at most
     * 1032 bytes of one. */
    uint32_t claimed = 0;
    if (in->len >= 4)
        memcpy(&claimed, in->data + in->len - 4, 4);
    for (size_t guess = first_guess(claimed, in->len, 1032);; guess *= GROWTH) {
        size_t room_len, in_used, out_used;
        char nowhere[1];
        char *room = room_reserve(out, guess, &room_len);
        enum libdeflate_result result = libdeflate_gzip_decompress_ex(
            d, in->data, in->len, room == NULL ? nowhere : room, room_len, &in_used, &out_used);
        if (result == LIBDEFLATE_SUCCESS) {
            if (room != NULL)
                buf_commit(out, out_used);
            *in = str_skip(*in, in_used);
            return true;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE)
            return err_set(err, "gzip: the data is damaged or not gzip");
        if (room_len < guess)
            return fail_bomb(out, "gzip", err);
    }
}

static bool gzip_decompress(str in, struct buf *out, struct err *err)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (d == NULL)
        return err_set(err, "gzip: no memory for a decompressor");
    size_t len = out->len;
    bool ok;
    do
        ok = gzip_member(d, &in, out, err);
    while (ok && in.len > 0);
    libdeflate_free_decompressor(d);
    if (!ok)
        out->len = len;
    return ok;
}

static bool zstd_decompress(str in, struct buf *out, struct err *err)
{
    if (in.len == 0)
        return err_set(err, "zstd: the data is empty");
    unsigned long long claimed = ZSTD_getFrameContentSize(in.data, in.len); /* of the first frame */
    if (claimed == ZSTD_CONTENTSIZE_ERROR)
        return err_set(err, "zstd: the data is damaged or not zstd");
    if (claimed == ZSTD_CONTENTSIZE_UNKNOWN)
        claimed = (unsigned long long)in.len * GROWTH;
    for (size_t guess = first_guess((size_t)claimed, in.len, 64);; guess *= GROWTH) {
        size_t room_len;
        char nowhere[1];
        char *room = room_reserve(out, guess, &room_len);
        size_t len = ZSTD_decompress(room == NULL ? nowhere : room, room_len, in.data, in.len);
        if (!ZSTD_isError(len)) {
            if (room != NULL)
                buf_commit(out, len);
            return true;
        }
        if (ZSTD_getErrorCode(len) != ZSTD_error_dstSize_tooSmall)
            return err_set(err, "zstd: the data is damaged: %s", ZSTD_getErrorName(len));
        if (room_len < guess)
            return fail_bomb(out, "zstd", err);
    }
}

bool decompress_bytes(enum compression c, str in, struct buf *out, struct err *err)
{
    switch (c) {
    case COMPRESS_GZIP:
        return gzip_decompress(in, out, err);
    case COMPRESS_ZSTD:
        return zstd_decompress(in, out, err);
    case COMPRESS_NONE:
        break;
    }
    if (buf_reserve(out, in.len) == NULL)
        return err_set(err, "the data of %zu bytes is larger than the %zu bytes there is room for",
                       in.len, out->max);
    buf_str(out, in);
    return true;
}
